package sqlscan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// describeTests are texts and what they are.
var describeTests = []struct {
	text      string
	mode      Mode
	class     Class
	effects   Effects
	operation string
	summary   string
}{
	// Queries.
	{text: "SELECT * FROM wuser_table WHERE username = 'x'", class: Read, operation: "SELECT", summary: "SELECT wuser_table"},
	{text: "SELECT * FROM songs, artists AS a JOIN (x, y) USING (id)", class: Read, operation: "SELECT", summary: "SELECT songs artists x y"},
	{text: "SELECT a, (SELECT b FROM t2 LIMIT 1, 2) FROM `my db`.T1", class: Read, operation: "SELECT", summary: "SELECT SELECT t2 `my db`.T1"},
	{text: "SELECT * FROM (SELECT * FROM a) x, b WHERE c IN (SELECT d FROM e)", class: Read, operation: "SELECT", summary: "SELECT SELECT a b SELECT e"},
	{text: "(SELECT a FROM t) UNION ALL (SELECT b FROM u) ORDER BY 1", class: Read, operation: "SELECT", summary: "SELECT t SELECT u"},
	{text: "((SELECT 1))", class: Read, operation: "SELECT", summary: "SELECT"},
	{text: "WITH a AS (SELECT 1 FROM x), b (c, d) AS (SELECT 2) SELECT * FROM a", class: Read, operation: "SELECT", summary: "SELECT x SELECT SELECT a"},
	{text: "WITH a AS (SELECT 1 FROM x) UPDATE t, a SET b = 1", class: Write, operation: "UPDATE", summary: "SELECT x UPDATE t a"},
	{text: "WITH RECURSIVE a AS (SELECT 1) DELETE FROM t", class: Write, operation: "DELETE", summary: "SELECT DELETE t"},
	{text: "WITH a AS (SELECT 1) (SELECT * FROM a)", class: Read, operation: "SELECT", summary: "SELECT SELECT a"},
	{text: "VALUES ROW(1, 2), ROW(3, 4)", class: Read, operation: "VALUES", summary: "VALUES"},
	{text: "TABLE t ORDER BY a", class: Read, operation: "TABLE", summary: "TABLE t"},
	{text: "DO SLEEP(1), f(2)", class: Read, effects: StoredFunction, operation: "DO", summary: "DO"},
	{text: "SELECT * FROM t FOR UPDATE SKIP LOCKED", class: Read, effects: ForUpdate, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT * FROM t FOR SHARE", class: Read, effects: ForUpdate, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT * FROM t LOCK IN SHARE MODE", class: Read, effects: ForUpdate, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT a INTO OUTFILE 'x' FROM t", class: Read, effects: IntoFile, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT a, b FROM t INTO @a, @b", class: Read, effects: IntoVariable, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT @a, @b := @c", class: Read, effects: UserVariable | SetsVariable, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT @@autocommit, @@session.sql_mode", class: Read, effects: SystemVariable, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT @@hostname", class: Read, effects: SystemVariable | Volatile, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT @@identity, last_insert_id()", class: Read, effects: SystemVariable | LastInsertID, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT SQL_CALC_FOUND_ROWS a FROM t", class: Read, effects: FoundRows, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT ROW_COUNT(), row_count FROM t", class: Read, effects: FoundRows, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT GET_LOCK('a', 1) FROM DUAL", class: Read, effects: LockFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT uuid(), rand()", class: Read, effects: Volatile, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT concat(a, lower(b)), COUNT(*), NOW(), IF(a, 1, 2), LEFT(a, 1) FROM t", class: Read, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT f(1) FROM t", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT s.concat(1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT nvl(a, 1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT nvl(a, 1)", mode: MariaDB, class: Read, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT NEXT VALUE FOR s", mode: MariaDB, class: Read, effects: Sequence, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT NEXTVAL(s), s.nextval", mode: MariaDB, class: Read, effects: Sequence, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT s.nextval FROM s", class: Read, operation: "SELECT", summary: "SELECT s"},
	{text: "SELECT TRIM(LEADING 'x' FROM a), EXTRACT(YEAR FROM b) FROM t", class: Read, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT * FROM t x(a, b), LATERAL (SELECT 1 FROM u) y, JSON_TABLE('[]', '$' COLUMNS (a INT PATH '$')) z", class: Read, operation: "SELECT", summary: "SELECT t SELECT u"},
	{text: "SELECT * FROM t PARTITION (p0, p1) USE INDEX (i, j), user", class: Read, operation: "SELECT", summary: "SELECT t user"},

	// Functions that are called where it does not look like it.
	{text: "SELECT TRIM('a' FROM f(1))", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT EXTRACT(YEAR FROM `f` (1))", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT status()", mode: MariaDB, class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT path(1), a FROM t", mode: MariaDB, class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT t"},
	{text: "SELECT parallel(1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT s . status (1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT s. left(1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SELECT SQL_CACHE f(1)", class: Read, effects: StoredFunction, operation: "SELECT", summary: "SELECT"},
	{text: "SHOW TABLES WHERE f(1)", class: Show, effects: StoredFunction, operation: "SHOW TABLES", summary: "SHOW TABLES"},
	{text: "SHOW STATUS WHERE GET_LOCK('a', 1)", class: Show, effects: SystemVariable | LockFunction, operation: "SHOW STATUS", summary: "SHOW STATUS"},
	{text: "SHOW COLUMNS FROM t WHERE @a := 1", class: Show, effects: SetsVariable, operation: "SHOW COLUMNS", summary: "SHOW COLUMNS"},
	{text: "SHOW GRANTS FOR CURRENT_USER()", class: Show, operation: "SHOW GRANTS", summary: "SHOW GRANTS"},
	{text: "SELECT a FROM t WHERE MATCH (a) AGAINST ('b') AND a LIKE 'c' ESCAPE ('d')", mode: MariaDB, class: Read, operation: "SELECT", summary: "SELECT t"},
	{text: "INSERT INTO status (a) VALUES (1)", mode: MariaDB, class: Write, operation: "INSERT", summary: "INSERT status"},
	{text: "LOAD DATA INFILE 'x' INTO TABLE t FIELDS TERMINATED BY 'y' IGNORE 1 LINES (a)", mode: MariaDB, class: Write, operation: "LOAD DATA", summary: "LOAD DATA t"},

	{text: "ANALYZE FORMAT=JSON\xa0DELETE FROM t WHERE a IN (1)", mode: MariaDB | Latin, class: Write, operation: "ANALYZE", summary: "ANALYZE DELETE t"},
	{text: "SELECT * FROM t FOR\xa0UPDATE", mode: Latin, class: Read, effects: ForUpdate, operation: "SELECT", summary: "SELECT t"},

	// Changes.
	{text: "INSERT INTO shipping_details (a, b) SELECT c, d FROM orders", class: Write, operation: "INSERT", summary: "INSERT shipping_details SELECT orders"},
	{text: "INSERT IGNORE t(a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", class: Write, operation: "INSERT", summary: "INSERT t"},
	{text: "INSERT t(a) VALUES (f(1))", class: Write, effects: StoredFunction, operation: "INSERT", summary: "INSERT t"},
	{text: "INSERT INTO t SET a = LAST_INSERT_ID()", class: Write, effects: LastInsertID, operation: "INSERT", summary: "INSERT t"},
	{text: "INSERT INTO t VALUES (1) RETURNING a", mode: MariaDB, class: Write, effects: Returning, operation: "INSERT", summary: "INSERT t"},
	{text: "REPLACE INTO t SELECT REPLACE(a, 'b', 'c') FROM u", class: Write, operation: "REPLACE", summary: "REPLACE t SELECT u"},
	{text: "UPDATE a, b SET a.x = b.y, a.z = 1", class: Write, operation: "UPDATE", summary: "UPDATE a b"},
	{text: "UPDATE LOW_PRIORITY a JOIN b ON a.i = b.i SET a.x = 1", class: Write, operation: "UPDATE", summary: "UPDATE a b"},
	{text: "DELETE FROM t WHERE a = 1 LIMIT 1", class: Write, operation: "DELETE", summary: "DELETE t"},
	{text: "DELETE a, b FROM a JOIN b USING (i)", class: Write, operation: "DELETE", summary: "DELETE a b a b"},
	{text: "DELETE FROM t RETURNING a", mode: MariaDB, class: Write, effects: Returning, operation: "DELETE", summary: "DELETE t"},
	{text: "DELETE HISTORY FROM t", mode: MariaDB, class: Write, operation: "DELETE", summary: "DELETE t"},
	{text: "UPDATE /*+ NO_ICP(t) */ t SET a = 1", class: Write, operation: "UPDATE", summary: "UPDATE t"},
	{text: "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, @b) SET c = @b", class: Write, effects: LocalInfile | UserVariable | SetsVariable, operation: "LOAD DATA", summary: "LOAD DATA t"},
	{text: "LOAD XML INFILE 'x' INTO TABLE t", class: Write, operation: "LOAD XML", summary: "LOAD XML t"},
	{text: "CALL s.p(1)", class: Call, operation: "CALL", summary: "CALL s.p"},

	// What shows.
	{text: "SHOW FULL TABLES FROM a LIKE 'b'", class: Show, operation: "SHOW TABLES", summary: "SHOW TABLES"},
	{text: "SHOW CREATE TABLE t", class: Show, operation: "SHOW CREATE TABLE", summary: "SHOW CREATE TABLE"},
	{text: "SHOW WARNINGS LIMIT 1", class: Show, effects: FoundRows, operation: "SHOW WARNINGS", summary: "SHOW WARNINGS"},
	{text: "SHOW COUNT(*) ERRORS", class: Show, effects: FoundRows, operation: "SHOW ERRORS", summary: "SHOW ERRORS"},
	{text: "SHOW GLOBAL VARIABLES LIKE 'a'", class: Show, effects: SystemVariable, operation: "SHOW VARIABLES", summary: "SHOW VARIABLES"},
	{text: "SHOW ALL SLAVES STATUS", mode: MariaDB, class: Show, effects: ReplicationInfo, operation: "SHOW REPLICAS STATUS", summary: "SHOW REPLICAS STATUS"},
	{text: "SHOW BINARY LOG STATUS", class: Show, effects: ReplicationInfo, operation: "SHOW BINARY LOG STATUS", summary: "SHOW BINARY LOG STATUS"},
	{text: "DESC t", class: Show, operation: "DESC", summary: "DESC t"},
	{text: "DESCRIBE t", class: Show, operation: "EXPLAIN", summary: "EXPLAIN t"},
	{text: "EXPLAIN FORMAT=JSON UPDATE t SET a = 1", class: Show, operation: "EXPLAIN", summary: "EXPLAIN UPDATE t"},
	{text: "EXPLAIN ANALYZE SELECT * FROM t FOR UPDATE", class: Show, effects: ForUpdate, operation: "EXPLAIN", summary: "EXPLAIN SELECT t"},
	{text: "EXPLAIN INTO @a SELECT * FROM t", class: Show, effects: IntoVariable, operation: "EXPLAIN", summary: "EXPLAIN SELECT t"},
	{text: "EXPLAIN FOR CONNECTION 5", class: Show, operation: "EXPLAIN", summary: "EXPLAIN"},
	{text: "ANALYZE SELECT * FROM t", mode: MariaDB, class: Show, operation: "ANALYZE", summary: "ANALYZE SELECT t"},
	{text: "ANALYZE FORMAT=JSON DELETE FROM t", mode: MariaDB, class: Write, operation: "ANALYZE", summary: "ANALYZE DELETE t"},
	{text: "HELP 'SELECT'", class: Show, operation: "HELP", summary: "HELP"},
	{text: "CHECKSUM TABLE a, b", class: Show, operation: "CHECKSUM TABLE", summary: "CHECKSUM TABLE a b"},

	// Definitions.
	{text: "CREATE TABLE IF NOT EXISTS s.t (a INT, KEY k (a), b INT DEFAULT (rand()))", class: Schema, effects: ImplicitCommit, operation: "CREATE TABLE", summary: "CREATE TABLE s.t"},
	{text: "CREATE TABLE t AS SELECT f(a) FROM u", class: Schema, effects: ImplicitCommit | StoredFunction, operation: "CREATE TABLE", summary: "CREATE TABLE t SELECT u"},
	{text: "CREATE TEMPORARY TABLE t (a INT)", class: Schema, effects: Temporary, operation: "CREATE TABLE", summary: "CREATE TABLE t"},
	{text: "DROP TEMPORARY TABLE IF EXISTS a, b", class: Schema, effects: Temporary, operation: "DROP TABLE", summary: "DROP TABLE a b"},
	{text: "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=a@b SQL SECURITY DEFINER VIEW v AS SELECT * FROM t", class: Schema, effects: ImplicitCommit, operation: "CREATE VIEW", summary: "CREATE VIEW v SELECT t"},
	{text: "CREATE DEFINER=`a`@`%` PROCEDURE p(a INT) BEGIN DELETE FROM t; SELECT @a; END", class: Schema, effects: ImplicitCommit, operation: "CREATE PROCEDURE", summary: "CREATE PROCEDURE p"},
	{text: "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = 1; END", class: Schema, effects: ImplicitCommit, operation: "CREATE TRIGGER", summary: "CREATE TRIGGER r"},
	{text: "CREATE UNIQUE INDEX i ON t (a)", class: Schema, effects: ImplicitCommit, operation: "CREATE INDEX", summary: "CREATE INDEX i"},
	{text: "CREATE SEQUENCE s START WITH 1", mode: MariaDB, class: Schema, effects: ImplicitCommit, operation: "CREATE SEQUENCE", summary: "CREATE SEQUENCE s"},
	{text: "CREATE USER a@b IDENTIFIED BY 'c'", class: Schema, effects: ImplicitCommit, operation: "CREATE USER", summary: "CREATE USER"},
	{text: "ALTER TABLE t ADD a INT, DROP b", class: Schema, effects: ImplicitCommit, operation: "ALTER TABLE", summary: "ALTER TABLE t"},
	{text: "RENAME TABLE a TO b, c TO d", class: Schema, effects: ImplicitCommit, operation: "RENAME TABLE", summary: "RENAME TABLE a b c d"},
	{text: "TRUNCATE t", class: Schema, effects: ImplicitCommit, operation: "TRUNCATE", summary: "TRUNCATE t"},
	{text: "TRUNCATE TABLE t", class: Schema, effects: ImplicitCommit, operation: "TRUNCATE TABLE", summary: "TRUNCATE TABLE t"},
	{text: "GRANT SELECT ON *.* TO a@b", class: Schema, effects: ImplicitCommit, operation: "GRANT", summary: "GRANT"},
	{text: "DROP DATABASE d", class: Schema, effects: ImplicitCommit, operation: "DROP DATABASE", summary: "DROP DATABASE d"},
	{text: "CREATE RESOURCE GROUP g TYPE = USER", class: Schema, effects: ImplicitCommit, operation: "CREATE RESOURCE GROUP", summary: "CREATE RESOURCE GROUP g"},
	{text: "ALTER INSTANCE ROTATE INNODB MASTER KEY", class: Admin, effects: ImplicitCommit, operation: "ALTER INSTANCE", summary: "ALTER INSTANCE"},

	// Transactions.
	{text: "BEGIN WORK", class: Begin, effects: ImplicitCommit, operation: "BEGIN", summary: "BEGIN"},
	{text: "START TRANSACTION READ ONLY", class: Begin, effects: ImplicitCommit | ReadOnly, operation: "START TRANSACTION", summary: "START TRANSACTION"},
	{text: "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE", class: Begin, effects: ImplicitCommit | Snapshot, operation: "START TRANSACTION", summary: "START TRANSACTION"},
	{text: "COMMIT WORK AND NO CHAIN NO RELEASE", class: Commit, operation: "COMMIT", summary: "COMMIT"},
	{text: "COMMIT AND CHAIN", class: Commit, effects: Chain, operation: "COMMIT", summary: "COMMIT"},
	{text: "ROLLBACK RELEASE", class: Rollback, effects: Release, operation: "ROLLBACK", summary: "ROLLBACK"},
	{text: "ROLLBACK WORK TO SAVEPOINT a", class: Savepoint, operation: "ROLLBACK WORK TO", summary: "ROLLBACK WORK TO"},
	{text: "ROLLBACK TO a", class: Savepoint, operation: "ROLLBACK TO", summary: "ROLLBACK TO"},
	{text: "SAVEPOINT a", class: Savepoint, operation: "SAVEPOINT", summary: "SAVEPOINT"},
	{text: "RELEASE SAVEPOINT a", class: Savepoint, operation: "RELEASE SAVEPOINT", summary: "RELEASE SAVEPOINT"},
	{text: "XA PREPARE 'a'", class: XA, operation: "XA PREPARE", summary: "XA PREPARE"},
	{text: "LOCK TABLES a READ, b AS c WRITE", class: Lock, effects: ImplicitCommit, operation: "LOCK TABLES", summary: "LOCK TABLES a b"},
	{text: "LOCK INSTANCE FOR BACKUP", class: Lock, operation: "LOCK INSTANCE", summary: "LOCK INSTANCE"},
	{text: "UNLOCK TABLES", class: Unlock, effects: ImplicitCommit, operation: "UNLOCK TABLES", summary: "UNLOCK TABLES"},
	{text: "FLUSH TABLES t WITH READ LOCK", class: Lock, effects: ImplicitCommit, operation: "FLUSH TABLES", summary: "FLUSH TABLES"},
	{text: "BACKUP STAGE START", mode: MariaDB, class: Lock, operation: "BACKUP STAGE", summary: "BACKUP STAGE"},

	// The session.
	{text: "SET a = 1, @@session.b = 2", class: Set, operation: "SET", summary: "SET"},
	{text: "SET GLOBAL a = 1", class: Set, effects: Global, operation: "SET", summary: "SET"},
	{text: "SET @@persist.a = 1", class: Set, effects: Global, operation: "SET", summary: "SET"},
	{text: "SET @a = 1, @b := @c", class: Set, effects: SetsVariable | UserVariable, operation: "SET", summary: "SET"},
	{text: "SET @a = (SELECT MAX(b) FROM t)", class: Set, effects: SetsVariable, operation: "SET", summary: "SET"},
	{text: "SET AutoCommit = 1", class: Set, effects: ImplicitCommit, operation: "SET", summary: "SET"},
	{text: "SET SESSION TRANSACTION READ ONLY", class: Set, operation: "SET TRANSACTION", summary: "SET TRANSACTION"},
	{text: "SET NAMES utf8mb4", class: Set, operation: "SET NAMES", summary: "SET NAMES"},
	{text: "SET CHARACTER SET utf8", class: Set, operation: "SET CHAR SET", summary: "SET CHAR SET"},
	{text: "SET PASSWORD FOR a@b = 'c'", class: Set, effects: ImplicitCommit, operation: "SET PASSWORD", summary: "SET PASSWORD"},
	{text: "SET STATEMENT a = 1 FOR SELECT * FROM t", mode: MariaDB, class: Read, operation: "SELECT", summary: "SELECT t"},
	{text: "SET STATEMENT a = @b FOR DELETE FROM t", mode: MariaDB, class: Write, effects: UserVariable, operation: "DELETE", summary: "DELETE t"},
	{text: "USE `a b`", class: Use, operation: "USE", summary: "USE `a b`"},
	{text: "PREPARE s FROM 'SELECT 1'", class: Prepare, operation: "PREPARE", summary: "PREPARE"},
	{text: "EXECUTE s USING @a", class: Execute, effects: UserVariable, operation: "EXECUTE", summary: "EXECUTE"},
	{text: "EXECUTE IMMEDIATE 'SELECT 1'", mode: MariaDB, class: Execute, operation: "EXECUTE IMMEDIATE", summary: "EXECUTE IMMEDIATE"},
	{text: "DEALLOCATE PREPARE s", class: Deallocate, operation: "DEALLOCATE PREPARE", summary: "DEALLOCATE PREPARE"},
	{text: "DROP PREPARE s", class: Deallocate, operation: "DROP PREPARE", summary: "DROP PREPARE"},
	{text: "GET DIAGNOSTICS @a = ROW_COUNT", class: Read, effects: FoundRows | SetsVariable | UserVariable, operation: "GET DIAGNOSTICS", summary: "GET DIAGNOSTICS"},

	// The server.
	{text: "KILL QUERY 5", class: Kill, operation: "KILL", summary: "KILL"},
	{text: "HANDLER t READ FIRST", class: Handler, operation: "HANDLER", summary: "HANDLER t"},
	{text: "FLUSH LOCAL PRIVILEGES", class: Admin, effects: ImplicitCommit, operation: "FLUSH PRIVILEGES", summary: "FLUSH PRIVILEGES"},
	{text: "ANALYZE LOCAL TABLE t", class: Admin, effects: ImplicitCommit, operation: "ANALYZE TABLE", summary: "ANALYZE TABLE t"},
	{text: "OPTIMIZE TABLE a, b", class: Admin, effects: ImplicitCommit, operation: "OPTIMIZE TABLE", summary: "OPTIMIZE TABLE a b"},
	{text: "START REPLICA", class: Admin, effects: ImplicitCommit, operation: "START REPLICA", summary: "START REPLICA"},
	{text: "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'a'", class: Admin, effects: ImplicitCommit, operation: "CHANGE REPLICATION", summary: "CHANGE REPLICATION"},
	{text: "SHUTDOWN", class: Admin, operation: "SHUTDOWN", summary: "SHUTDOWN"},
	{text: "INSTALL PLUGIN a SONAME 'b'", class: Admin, effects: ImplicitCommit, operation: "INSTALL PLUGIN", summary: "INSTALL PLUGIN"},
	{text: "LOAD INDEX INTO CACHE t", class: Admin, effects: ImplicitCommit, operation: "LOAD INDEX INTO CACHE", summary: "LOAD INDEX INTO CACHE"},

	// Several, compound and none.
	{text: "BEGIN NOT ATOMIC DECLARE a INT; SELECT f(1); END", mode: MariaDB, class: Compound, effects: StoredFunction, operation: "BEGIN NOT ATOMIC", summary: "BEGIN NOT ATOMIC"},
	{text: "IF a THEN SELECT 1; END IF", mode: MariaDB, class: Compound, operation: "IF", summary: "IF"},
	{text: "l: LOOP SELECT 1; END LOOP", mode: MariaDB, class: Compound, operation: "LOOP", summary: "LOOP"},
	{text: "SELECT a FROM t; SHOW TABLES", class: Read, operation: "SELECT", summary: "SELECT t; SHOW TABLES"},
	{text: "SHOW TABLES; DESC t", class: Show, operation: "SHOW TABLES", summary: "SHOW TABLES; DESC t"},
	{text: "SELECT a FROM t; DELETE FROM u", class: Many, operation: "SELECT", summary: "SELECT t; DELETE u"},
	{text: "BEGIN SELECT 1; DELETE FROM t; END", mode: MariaDB, class: Compound, operation: "BEGIN", summary: "BEGIN"},
	{text: "DECLARE a INT := 1; BEGIN SELECT a; END", mode: MariaDB, class: Compound, operation: "DECLARE", summary: "DECLARE"},
	{text: "CREATE PROCEDURE p() FOR r IN (SELECT 1) DO SELECT r.a; END FOR", mode: MariaDB, class: Schema, effects: ImplicitCommit, operation: "CREATE PROCEDURE", summary: "CREATE PROCEDURE p"},
	{text: "CREATE PROCEDURE p() SELECT * FROM (SELECT 1) a FOR UPDATE; DELETE FROM t", class: Many, effects: ImplicitCommit, operation: "CREATE PROCEDURE", summary: "CREATE PROCEDURE p; DELETE t"},
	{text: "", class: Unknown},
	{text: "gibberish FROM x", class: Unknown},
	{text: "NAME 1", class: Unknown, operation: "NAME", summary: "NAME"},
}

func TestDescribe(t *testing.T) {
	var s Scanner
	for _, c := range describeTests {
		canonical, _, flags := s.Scan([]byte(c.text), c.mode)
		got := Describe(canonical, c.mode)
		want := Description{
			Class: c.class, Effects: c.effects, Operation: c.operation, Summary: c.summary, Statements: got.Statements,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q\n%s", c.text, diff)
		}
		if (flags&Multi != 0) != (got.Statements > 1) {
			t.Errorf("%q: flags %b, %d statements", c.text, flags, got.Statements)
		}
	}
}

// Every class has a name of its own.
func TestClassNames(t *testing.T) {
	seen := map[string]bool{}
	for c := range Class(NumClasses) {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("class %d is %q", c, c)
		}
		seen[c.String()] = true
	}
}

// A summary ends between two words.
func TestLongSummary(t *testing.T) {
	var s Scanner
	canonical, _, _ := s.Scan([]byte("SELECT * FROM "+strings.Repeat("customers, ", 40)+"orders"), 0)
	got := Describe(canonical, 0).Summary
	if want := "SELECT" + strings.Repeat(" customers", 24); got != want {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	canonical, _, _ = s.Scan([]byte("SELECT * FROM `"+strings.Repeat("x", 300)+"`"), 0)
	if got := Describe(canonical, 0).Summary; got != "SELECT" {
		t.Errorf("%q", got)
	}
}

// Where not all servers read a text alike, or there is more of it, a read is not taken for one.
func TestUncertain(t *testing.T) {
	for _, c := range []struct {
		text string
		mode Mode
		want bool
	}{
		{text: "SELECT 1"},
		{text: "SELECT /*!40001 SQL_NO_CACHE */ 1"},
		{text: "SELECT /*! SQL_NO_CACHE */ 1", mode: MariaDB},
		{text: "SELECT /*M!100100 1, */ 1", mode: MariaDB},
		{text: "SELECT /*!80000 1, */ 1", mode: MariaDB},
		{text: "SELECT /*!999999 1, */ 1"},
		{text: "SELECT /*!99999 it's */ 1"},
		{text: "SELECT 1 FROM /*!99997 ( */ t", want: true},
		{text: "/*!90900 SELECT 1 FROM */ DELETE FROM t", want: true},
		{text: "/*!110900 SELECT 1 FROM */ DELETE FROM t", mode: MariaDB, want: true},
		{text: "/*M!110900 SELECT 1 FROM */ DELETE FROM t", mode: MariaDB, want: true},
		{text: "SELECT 1 $$ INTO OUTFILE 'x' # $$", want: true},
		{text: "SELECT 1 $$ INTO OUTFILE 'x'", want: true},
		{text: "SELECT 'a", want: true},
	} {
		var s Scanner
		canonical, _, flags := s.Scan([]byte(c.text), c.mode)
		d := Describe(canonical, c.mode).Flagged(flags)
		if got := d.Effects&Uncertain != 0; got != c.want {
			t.Errorf("%q is %q, uncertain %v", c.text, canonical, got)
		}
	}
}
