package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Cache is the folder integration/install.sh keeps what it builds in.
func Cache() string {
	if dir := os.Getenv("WEIR_CACHE"); dir != "" {
		return dir
	}
	return "/var/cache/weir"
}

// ErrNoMySQL says that WEIR_NO_MYSQL is set: whoever runs this declared that the machine has no MySQL.
var ErrNoMySQL = errors.New("WEIR_NO_MYSQL is set: nothing is tested on MySQL here")

// MySQL prepares the MySQL 9 that integration/install.sh has put into the cache folder. The caller removes the
// template once its servers have ended.
func MySQL() (*Template, error) {
	if os.Getenv("WEIR_NO_MYSQL") != "" {
		return nil, ErrNoMySQL
	}
	server, err := foreign("usr/sbin/mysqld")
	if err != nil {
		return nil, err
	}
	root := mysqlRoot()
	t := &Template{family: "mysql", args: append(server, "--no-defaults",
		"--basedir="+root+"/usr", "--plugin-dir="+root+"/usr/lib/mysql/plugin",
		"--lc-messages-dir="+root+"/usr/share/mysql", "--secure-file-priv=NULL", "--mysqlx=OFF",
		"--innodb-redo-log-capacity=32M", "--gtid-mode=ON", "--enforce-gtid-consistency=ON")}
	args := append(append([]string{}, t.args...), "--initialize-insecure")
	if _, err := t.install(accountStatements(), args...); err != nil {
		return nil, err
	}
	if err := forgetIdentity(filepath.Join(t.dir, "data")); err != nil {
		return nil, errors.Join(err, t.Remove())
	}
	return t, nil
}

// MySQLClient is the command of the mysql command line client that goes with MySQL.
func MySQLClient() ([]string, error) {
	if os.Getenv("WEIR_NO_MYSQL") != "" {
		return nil, ErrNoMySQL
	}
	return foreign("usr/bin/mysql")
}

func mysqlRoot() string { return filepath.Join(Cache(), "mysql-sid") }

// foreign is the command of a program of the Debian in the cache folder. Its own dynamic linker starts it with
// its own libraries, so that it needs no chroot: it sees this system's files, and needs no rights.
func foreign(program string) ([]string, error) {
	root := mysqlRoot()
	path := filepath.Join(root, program)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("no MySQL: %w: run integration/install.sh as root, "+
			"or set WEIR_NO_MYSQL=1 to do without the tests on it", err)
	}
	linkers, err := filepath.Glob(root + "/lib*/ld-linux-*.so.*")
	if err != nil || len(linkers) == 0 {
		return nil, fmt.Errorf("no dynamic linker in %s", root)
	}
	libraries, err := filepath.Glob(root + "/usr/lib/*-linux-gnu")
	if err != nil || len(libraries) == 0 {
		return nil, fmt.Errorf("no libraries in %s", root)
	}
	return []string{linkers[0], "--library-path", libraries[0] + ":" + root + "/usr/lib/mysql/private", path}, nil
}
