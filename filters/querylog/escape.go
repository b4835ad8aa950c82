package querylog

import (
	"encoding/binary"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// extra is how many bytes longer than one an ASCII byte is in a JSON string.
var extra = func() (t [utf8.RuneSelf]uint8) {
	for b := range byte(' ') {
		t[b] = uint8(len(`\u0000`) - 1)
	}
	for _, b := range []byte{'"', '\\', '\n', '\r', '\t'} {
		t[b] = 1
	}
	return t
}()

// plain reports whether s stands between quotes as it is, in JSON and in CSV: it is ASCII without control characters,
// quotes and backslashes. It looks at eight bytes at a time, as most statements are plain.
func plain[S string | []byte](s S) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	b := []byte(s) // copies nothing: it is only read
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		// Each has the highest bit of a byte set where one is below a space, a quote, a backslash.
		control := (x - ' '*ones) &^ x
		quote := x ^ '"'*ones
		quote = (quote - ones) &^ quote
		slash := x ^ '\\'*ones
		slash = (slash - ones) &^ slash
		if (x|control|quote|slash)&highs != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf || extra[c] != 0 {
			return false
		}
	}
	return true
}

// escapedLen returns the length of s in a JSON string.
func escapedLen[S string | []byte](s S) int {
	n := len(s)
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return n + invalid(s[i:])*(len(`\ufffd`)-1) + asciiExtra(s[i:])
		}
		n += int(extra[s[i]])
	}
	return n
}

// asciiExtra is what the ASCII bytes of s are longer by.
func asciiExtra[S string | []byte](s S) (n int) {
	for i := range len(s) {
		if s[i] < utf8.RuneSelf {
			n += int(extra[s[i]])
		}
	}
	return n
}

// invalid returns the number of bytes of s that are no UTF-8.
func invalid[S string | []byte](s S) (n int) {
	for i := 0; i < len(s); {
		size := runeSize(s[i:])
		if size == 0 {
			n, size = n+1, 1
		}
		i += size
	}
	return n
}

// runeSize returns the length of the first character of s, 0 where its first byte begins none.
func runeSize[S string | []byte](s S) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	r, size := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	if r == utf8.RuneError && size == 1 {
		return 0
	}
	return size
}

// appendEscaped appends s as it stands between the quotes of a JSON string. Bytes that are no UTF-8, as statements
// in other character sets have them, become U+FFFD.
func appendEscaped[S string | []byte](dst []byte, s S) []byte {
	if plain(s) {
		return append(dst, s...)
	}
	from := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf && extra[b] == 0 {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			if size := runeSize(s[i:]); size > 0 {
				i += size
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		i++
		from = i
		switch {
		case b >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case b == '\n':
			dst = append(dst, `\n`...)
		case b == '\r':
			dst = append(dst, `\r`...)
		case b == '\t':
			dst = append(dst, `\t`...)
		case b < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
		default:
			dst = append(dst, '\\', b)
		}
	}
	return append(dst, s[from:]...)
}

// appendCell appends s as it stands between the quotes of a CSV cell: quotes doubled, and nothing else changed but
// bytes that are no UTF-8, which become U+FFFD. https://www.rfc-editor.org/rfc/rfc4180
func appendCell[S string | []byte](dst []byte, s S) []byte {
	if plain(s) {
		return append(dst, s...)
	}
	from := 0
	for i := 0; i < len(s); {
		size := runeSize(s[i:])
		if size > 0 && s[i] != '"' {
			i += size
			continue
		}
		dst = append(dst, s[from:i]...)
		if size == 0 {
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, '"', '"')
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

// quoteCell makes a CSV cell of what has been appended to dst since it had the length from.
func quoteCell(dst []byte, from int) []byte {
	quotes := 2
	for _, b := range dst[from:] {
		if b == '"' {
			quotes++
		}
	}
	end := len(dst)
	for range quotes {
		dst = append(dst, '"')
	}
	to := len(dst) - 1 // the last is the closing quote
	for i := end - 1; i >= from; i-- {
		to--
		dst[to] = dst[i]
		if dst[i] == '"' {
			to--
			dst[to] = '"'
		}
	}
	dst[from] = '"'
	return dst
}
