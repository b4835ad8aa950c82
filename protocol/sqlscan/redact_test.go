package sqlscan

import (
	"bytes"
	"strings"
	"testing"
)

// Wherever a text ends, its canonical text has nothing of what was in its literals: logs are redacted by it. What no
// server takes for a literal, it has: 5e and 0X41 are names, the 2 in ORDER BY 2 is a column.
func TestCanonicalHasNoLiterals(t *testing.T) {
	for _, c := range []struct {
		text string
		mode Mode
	}{
		{text: "CREATE USER 'a'@'%' IDENTIFIED BY 's3cr3t'"},
		{text: "CREATE USER a IDENTIFIED WITH mysql_native_password AS '*s3cr3t' REQUIRE SUBJECT 's3cr3t'"},
		{text: "ALTER USER a@b IDENTIFIED BY 's3cr3t' REPLACE 's3cr3t' RETAIN CURRENT PASSWORD"},
		{text: "CREATE USER a IDENTIFIED VIA ed25519 USING PASSWORD('s3cr3t') OR unix_socket", mode: MariaDB},
		{text: "GRANT ALL ON *.* TO a IDENTIFIED BY PASSWORD '*s3cr3t'", mode: MariaDB},
		{text: "SET PASSWORD FOR 'a'@'b' = PASSWORD('s3cr3t')", mode: MariaDB},
		{text: "SET PASSWORD='s3cr3t'"},
		{text: "CHANGE MASTER TO MASTER_PASSWORD='s3cr3t', MASTER_USER=\"s3cr3t\", MASTER_LOG_POS=8675309", mode: MariaDB},
		{text: "CHANGE REPLICATION SOURCE TO SOURCE_PASSWORD='s3cr3t'"},
		{text: "START GROUP_REPLICATION USER='a', PASSWORD='s3cr3t'"},
		{text: "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (PASSWORD 's3cr3t')"},
		{text: "CREATE TABLE t (a INT) ENGINE=FEDERATED CONNECTION='mysql://a:s3cr3t@h/d'"},
		{text: "SELECT N's3cr3t', n's3cr3t', _utf8mb4's3cr3t', _latin1 \"s3cr3t\", _binary x'733363723374'"},
		{text: "SELECT X'733363723374', 0x733363723374, b'01110011', 0b01110011"},
		{text: "SELECT 's3''s3cr3t', 's3\\'s3cr3t', \"s3\"\"s3cr3t\", 's3' 's3cr3t'"},
		{text: "SELECT 's3\\', 's3cr3t'", mode: NoBackslashEscapes},
		{text: "SELECT $$s3cr3t$$, $a$s3cr3t $$ $a$"},
		{text: "SELECT a AS 's3cr3t', b 's3cr3t' FROM t AS u WHERE c = DATE's3cr3t'"},
		{text: "SELECT 1 -- s3cr3t 's3cr3t'\n, 2 # s3cr3t\n, 3 /* s3cr3t */ /*! , 's3cr3t' */ /*!999999 , s3cr3t */"},
		{text: "SELECT /*+ SET_VAR(a = 's3cr3t') QB_NAME(\"s3cr3t\") */ 1"},
		{text: "SELECT /*+ SET_VAR(a = 's3cr3t') s3cr3t */ 1", mode: MariaDB},
		{text: "SET @a = 's3cr3t', @'s3cr3t' = 1, @s3cr3t = 8675309"},
		{text: "EXECUTE IMMEDIATE CONCAT('s3cr3t', 8675309)", mode: MariaDB},
		{text: "PREPARE s FROM 'SELECT \"s3cr3t\"'"},
		{text: "SELECT 8675309, -8675309, +8675309.5e-8675309, .8675309, 8675309., 1.8675309e+1"},
		{text: "SELECT * FROM t WHERE a = 8675309 ORDER BY a + 8675309 LIMIT 8675309, 8675309"},
		{text: "INSERT INTO t VALUES (8675309, 's3cr3t'), (8675309, 's3cr3t', f('s3cr3t'))"},
		{text: "SELECT * FROM t WHERE a IN ('s3cr3t', 8675309, 's3cr3t') AND (a, b) IN ((1, 's3cr3t'))"},
		{text: "BINLOG 's3cr3t'; KILL 8675309; DO SLEEP(8675309); LOAD DATA INFILE 's3cr3t' INTO TABLE t LINES STARTING BY 's3cr3t'"},
		{text: "CREATE PROCEDURE p() COMMENT 's3cr3t' BEGIN DECLARE a CHAR(8675309) DEFAULT 's3cr3t'; SELECT 's3cr3t'; END"},
		{text: "SELECT JSON_TABLE('s3cr3t', '$.s3cr3t' COLUMNS (a INT PATH '$.s3cr3t' DEFAULT 's3cr3t' ON EMPTY)), a->'$.s3cr3t', a->>'$.s3cr3t'"},
		{text: "SELECT '\x83\\', 's3cr3t'", mode: SJIS},
		{text: "SELECT '\xd5\\', 's3cr3t'", mode: GBK},
		{text: "SELECT '\xa1\\', 's3cr3t'", mode: Big5},
		{text: "SELECT 8675309\xa0, 's3cr3t'\xa0", mode: Latin},
		{text: "SELECT \\N, :s3cr3t, :8675309", mode: MariaDB},
		{text: "SELECT 's3cr3t\x00s3cr3t', \"s3cr3t\\\x00\"\x00, 8675309\x00"},
		{text: "XA START 's3cr3t', 's3cr3t', 8675309"},
		{text: "SELECT 1 FROM t WHERE a='s3cr3t'AND b=8675309 AND c"},
	} {
		var s Scanner
		for end := range len(c.text) + 1 {
			text := c.text[:end]
			canonical, _, _ := s.Scan([]byte(text), c.mode)
			for _, secret := range []string{"s3cr", "8675", "7333", "0111"} {
				if bytes.Contains(canonical, []byte(secret)) || strings.Contains(Describe(canonical, c.mode).Summary, secret) {
					t.Fatalf("%q is %q", text, canonical)
				}
			}
		}
	}
}
