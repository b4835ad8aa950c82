package integration

import "slices"

// A digestException is a reason why statements share a digest of the scanner's with others than the server's.
type digestException struct {
	reason string
	family string
	mode   string // the sql_mode
	texts  []string
}

// digestExceptions are the exceptions. All other statements are compared without them.
var digestExceptions = []digestException{
	{
		reason: "MariaDB 10.11 does not fold x'41'. Here statements that differ only in literals share a digest.",
		family: "mariadb",
		texts: []string{
			"SELECT * FROM t WHERE a IN (x'41')", "INSERT INTO t VALUES (x'41')", "INSERT INTO t VALUES (x'41'),(x'42')",
			"SELECT x'41'", "SELECT X'41'", "SELECT x''", "SELECT x'4142'", "SELECT _latin1 x'41'", "SELECT x'41', x'42'",
			"XA START x'41'", "SELECT x'41''a'",
		},
	},
	{
		reason: "The comment is for a later server than this one. The scanner does not know the server's version, and " +
			"rather takes for code what is none than the other way round. It flags the text as doubtful.",
		family: "mysql",
		texts: []string{
			"SELECT /*!100000 1 + */ 2 FROM t", "SELECT /*!100301 1 + */ 2 FROM t", "SELECT /*!101100 1 + */ 2 FROM t",
			"SELECT /*!110000 1 + */ 2 FROM t", "SELECT /*!120000 1 + */ 2 FROM t",
		},
	},
	{
		reason: "The comment is for a later server than this one, as above.",
		family: "mariadb",
		texts: []string{
			"SELECT /*!110000 1 + */ 2 FROM t", "SELECT /*!120000 1 + */ 2 FROM t",
		},
	},
	{
		reason: "With ANSI_QUOTES MariaDB leaves the quotes in a name doubled. It is the name `a\"b` all the same.",
		family: "mariadb", mode: "ANSI_QUOTES",
		texts: []string{`SELECT "a""b" FROM t`},
	},
	{
		reason: "With IGNORE_SPACE there may be a space between a function and its parenthesis. The scanner is not told.",
		family: "both", mode: "IGNORE_SPACE",
		texts: []string{"SELECT COUNT (*) FROM t", "SELECT NOW ()"},
	},
	{
		reason: "With PIPES_AS_CONCAT the server knows || as another operator. The scanner is not told.",
		family: "both", mode: "PIPES_AS_CONCAT",
		texts: []string{"SELECT a || b FROM t"},
	},
	{
		reason: "With ORACLE the server knows || as another operator. The scanner is not told.",
		family: "mariadb", mode: "ORACLE",
		texts: []string{"SELECT a || b FROM t"},
	},
	{
		reason: "With HIGH_NOT_PRECEDENCE the server takes NOT for !. The scanner is not told.",
		family: "both", mode: "HIGH_NOT_PRECEDENCE",
		texts: []string{"SELECT NOT a FROM t", "SELECT NOT 1"},
	},
}

// has reports whether the statement is an exception for that reason.
func (e digestException) has(family string, s corpusStatement) bool {
	return (e.family == family || e.family == "both") && e.mode == s.sqlMode() && slices.Contains(e.texts, s.text)
}
