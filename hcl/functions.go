package hcl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// A system is what a file may ask of the machine.
type system struct {
	lookupEnv func(name string) (string, bool)
	readFile  func(path string) ([]byte, error)
}

// maxFile bounds the configuration file and what file() reads.
const maxFile = 1 << 20

// readFile returns the content of a file of at most maxFile bytes.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("read %s: larger than 1 MiB", path)
	}
	return content, err
}

// functions returns env and file. Relative names are looked for in dir.
func functions(dir string, sys system) map[string]function.Function {
	return map[string]function.Function{
		"env": textFunction("name", func(name string) (string, error) {
			value, ok := sys.lookupEnv(name)
			if !ok {
				return "", fmt.Errorf("environment variable %q is not set", name)
			}
			return value, nil
		}),
		"file": textFunction("path", func(path string) (string, error) {
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			content, err := sys.readFile(path)
			if err != nil {
				return "", err
			}
			text, cut := strings.CutSuffix(string(content), "\n")
			if cut {
				text = strings.TrimSuffix(text, "\r")
			}
			return text, nil
		}),
	}
}

// remedies say what to do when a function finds nothing.
var remedies = map[string]string{
	"env":  "Set it before weir starts.",
	"file": "A relative path begins at the directory of this file.",
}

var errNotText = errors.New("not text in UTF-8, normalized as NFC")

// textFunction makes a function of one string.
func textFunction(parameter string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: parameter, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := f(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			value := cty.StringVal(text)
			if !utf8.ValidString(text) || value.AsString() != text {
				// The evaluator would change the bytes, and nobody would know why a password is wrong.
				return cty.UnknownVal(cty.String), fmt.Errorf("%s: %w", args[0].AsString(), errNotText)
			}
			return value, nil
		},
	})
}
