package pipeline

import (
	"strconv"
	"strings"

	"github.com/weirproxy/weir/protocol/sqlscan"
)

// charsetModes are the bits of a mode that a character set has.
const charsetModes = sqlscan.SJIS | sqlscan.GBK | sqlscan.Big5 | sqlscan.Latin | sqlscan.DOS

// charsets are the character sets that change how statements read, with the ids below 256 of their collations.
// https://dev.mysql.com/doc/refman/8.4/en/information-schema-collations-table.html
var charsets = []struct {
	name       string
	mode       sqlscan.Mode
	collations []int
}{
	{"sjis", sqlscan.SJIS, []int{13, 88}},
	{"cp932", sqlscan.SJIS, []int{95, 96}},
	{"gbk", sqlscan.GBK, []int{28, 87}},
	{"gb18030", sqlscan.GBK, []int{248, 249, 250}},
	{"big5", sqlscan.Big5, []int{1, 84}},
	{"latin1", sqlscan.Latin, []int{5, 8, 15, 31, 47, 48, 49, 94}},
	{"latin2", sqlscan.Latin, []int{2, 9, 21, 27, 77}},
	{"latin5", sqlscan.Latin, []int{30, 78}},
	{"latin7", sqlscan.Latin, []int{20, 41, 42, 79}},
	{"cp1250", sqlscan.Latin, []int{26, 34, 44, 66, 99}},
	{"greek", sqlscan.Latin, []int{25, 70}},
	{"hebrew", sqlscan.Latin, []int{16, 71}},
	{"dec8", sqlscan.Latin, []int{3, 69}},
	{"geostd8", sqlscan.Latin, []int{92, 93}},
	{"armscii8", sqlscan.Latin, []int{32, 64}},
	{"cp852", sqlscan.DOS, []int{40, 81}},
	{"cp866", sqlscan.DOS, []int{36, 68}},
	{"keybcs2", sqlscan.DOS, []int{37, 73}},
}

var modesOfNames, modesOfCollations = newCharsets()

func newCharsets() (names map[string]sqlscan.Mode, collations map[int]sqlscan.Mode) {
	names, collations = map[string]sqlscan.Mode{}, map[int]sqlscan.Mode{}
	for _, c := range charsets {
		names[c.name] = c.mode
		for _, id := range c.collations {
			collations[id] = c.mode
		}
	}
	return names, collations
}

// charsetMode is how statements read in a character set, by its name or the id of a collation.
func charsetMode(name string) sqlscan.Mode {
	if id, err := strconv.Atoi(name); err == nil {
		return collationMode(id)
	}
	return modesOfNames[strings.ToLower(name)]
}

// collationMode is how statements read in the character set of a collation.
func collationMode(id int) sqlscan.Mode { return modesOfCollations[id] }
