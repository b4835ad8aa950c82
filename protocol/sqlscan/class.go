package sqlscan

// A byteClass says what may begin with a byte.
type byteClass uint8

const (
	byteOther   byteClass = iota // a token of its own
	byteSpace                    // nothing
	byteLetter                   // a name or a keyword
	bytePrefix                   // likewise, or a literal: x'41', b'01', n'a'
	byteDollar                   // likewise, or a string: $$a$$
	byteDigit                    // a number or a name
	byteQuote                    // a string or a name, in ' or "
	byteTick                     // a name, in `
	byteAt                       // @ or @@
	byteDot                      // . or a number
	byteMinus                    // an operator or a comment
	byteSlash                    // likewise
	byteHash                     // a comment
	byteStar                     // an operator or the end of an executable comment
	byteCompare                  // an operator of one, two or three of < = > !
	byteDouble                   // & && | ||
	byteColon                    // : or :=
	byteMark                     // ?
	byteEscape                   // \N
	byteBlank                    // nothing in some character sets, else a name
)

// classes has the class of each byte, inName whether it may be part of a name.
var classes, inName = newClasses()

func newClasses() (classes [256]byteClass, inName [256]bool) {
	for b := range 256 {
		switch {
		case b >= '0' && b <= '9':
			classes[b] = byteDigit
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_', b >= 0x80:
			classes[b] = byteLetter
		}
		inName[b] = classes[b] != byteOther || b == '$'
	}
	classes[0xa0], classes[0xff] = byteBlank, byteBlank
	for bytes, class := range map[string]byteClass{
		" \t\n\v\f\r": byteSpace, "xXbBnN": bytePrefix, "$": byteDollar, `'"`: byteQuote, "`": byteTick, "@": byteAt,
		".": byteDot, "-": byteMinus, "/": byteSlash, "#": byteHash, "*": byteStar, "<=>!": byteCompare,
		"&|": byteDouble, ":": byteColon, "?": byteMark, `\`: byteEscape,
	} {
		for _, b := range []byte(bytes) {
			classes[b] = class
		}
	}
	return classes, inName
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// blank returns the byte above ASCII that is white space, 0 where none is.
func (m Mode) blank() byte {
	switch {
	case m&Latin != 0:
		return 0xa0
	case m&DOS != 0:
		return 0xff
	}
	return 0
}

// pair reports whether a and b, in the character sets that m names, are one character, whose second byte may be a
// quote, a backslash or a letter.
func (m Mode) pair(a, b byte) bool {
	switch {
	case m&SJIS != 0:
		return (a >= 0x81 && a <= 0x9f || a >= 0xe0 && a <= 0xfc) && b >= 0x40 && b <= 0xfc && b != 0x7f
	case m&Big5 != 0:
		return a >= 0xa1 && a <= 0xf9 && (b >= 0x40 && b <= 0x7e || b >= 0xa1 && b <= 0xfe)
	case m&GBK != 0:
		return a >= 0x81 && a <= 0xfe && b >= 0x40 && b <= 0xfe && b != 0x7f
	}
	return false
}
