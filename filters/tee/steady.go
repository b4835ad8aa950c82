package tee

import (
	"strings"

	"github.com/weirproxy/weir/pipeline"
	"github.com/weirproxy/weir/protocol/sqlscan"
)

// steadiness says what two servers should agree on.
type steadiness uint8

const (
	steady       steadiness = iota
	steadyCounts            // the values are of the moment, or of the server
	steadyErrors            // it asks for what a server is like: how many rows that has is its own business
)

func steadinessOf(st *pipeline.Statement) steadiness {
	switch {
	case st.Class == sqlscan.Show || st.Effects&(sqlscan.SystemVariable|sqlscan.ReplicationInfo) != 0:
		return steadyErrors
	case st.Effects&sqlscan.Volatile != 0 || ofTheMoment(st.Canonical):
		return steadyCounts
	}
	return steady
}

// ofTheMoment reports whether a canonical text asks what time it is.
func ofTheMoment(canonical string) bool {
	for _, name := range []string{
		"NOW", "SYSDATE", "CURDATE", "CURTIME", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME",
		"LOCALTIMESTAMP", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP", "UNIX_TIMESTAMP",
	} {
		rest := canonical
		for {
			_, after, found := strings.Cut(rest, name)
			if !found {
				break
			}
			before := rest[:len(rest)-len(after)-len(name)]
			if !strings.HasSuffix(before, ".") && !endsInName(before) && !beginsInName(after) {
				return true
			}
			rest = after
		}
	}
	return false
}

func endsInName(s string) bool { return s != "" && inName(s[len(s)-1]) }

func beginsInName(s string) bool { return s != "" && inName(s[0]) }

func inName(b byte) bool {
	return b == '_' || b == '$' || b == '`' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' || b >= 0x80
}
