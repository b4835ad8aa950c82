package integration

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/weirproxy/weir/integration/server"
)

func mariadbCLI(t *testing.T, addr, infile string) string {
	t.Helper()
	return commandLine(t, addr, infile, "mariadb", "--no-defaults")
}

func mysqlCLI(t *testing.T, addr, infile string) string {
	t.Helper()
	args := require(t, server.MySQLClient)
	args = append(args, "--no-defaults", "--ssl-mode=DISABLED", "--get-server-public-key")
	return commandLine(t, addr, infile, args...)
}

var took = regexp.MustCompile(` \(([0-9]+ (days?|hours?|min) )*[0-9.]+ sec\)`)

// commandLine runs a command line client, told to print all it can.
func commandLine(t *testing.T, addr, infile string, args ...string) string {
	t.Helper()
	host, port := split(t, addr)
	args = append(args, "--host="+host, "--port="+port, "--protocol=tcp", "--user="+server.User,
		"--password="+server.Password, "--default-character-set=utf8mb4", "--local-infile=1", "--max-allowed-packet=1G",
		"--batch", "--force", "--unbuffered", "--show-warnings", "--column-type-info", "-vvv", server.Schema)
	script := write(t, "script.sql", cliScript(t, infile))
	return took.ReplaceAllString(output(t, script, args[0], args[1:]...), "")
}

// cliScript is the statements of all clients and those that only a command line client gets.
func cliScript(t *testing.T, infile string) []byte {
	t.Helper()
	script, err := os.ReadFile("clients/statements.sql")
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("0123456789abcdef", 20<<20/16)
	return fmt.Appendf(script, `
CREATE TABLE loaded (n INT PRIMARY KEY, t VARCHAR(100), d DECIMAL(10, 2)) //
LOAD DATA LOCAL INFILE '%[1]s' INTO TABLE loaded FIELDS TERMINATED BY ',' //
LOAD DATA LOCAL INFILE '%[1]s' INTO TABLE loaded FIELDS TERMINATED BY ',' //
LOAD DATA LOCAL INFILE '%[1]s.no' INTO TABLE loaded FIELDS TERMINATED BY ',' //
SELECT COUNT(*), SUM(n), SUM(LENGTH(t)), SUM(d) FROM loaded //
CREATE TABLE large (v LONGTEXT) //
INSERT INTO large VALUES ('%[2]s') //
SELECT LENGTH(v), v FROM large //
SELECT REPEAT('z', 20 << 20), 1, REPEAT('w', 20 << 20) //
SELECT 1; SELECT 2; INSERT INTO loaded (n) VALUES (-1); SELECT * FROM no_such_table; SELECT 3 //
use mysql //
SELECT DATABASE() //
`, infile, large)
}
