package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version says what the program was built from: "weir v1.2.0 (3f2a..., 2026-11-20T10:00:00Z) go1.26.8 linux/amd64".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describeBuild(info)
}

func describeBuild(info *debug.BuildInfo) string {
	number := info.Main.Version
	if number == "" {
		number = "(devel)"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	var source []string
	for _, key := range []string{"vcs.revision", "vcs.time"} {
		if settings[key] != "" {
			source = append(source, settings[key])
		}
	}
	if settings["vcs.modified"] == "true" {
		source = append(source, "modified")
	}
	text := "weir " + number
	if len(source) > 0 {
		text += " (" + strings.Join(source, ", ") + ")"
	}
	return fmt.Sprintf("%s %s %s/%s", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
