package server

import (
	"fmt"
	"os/exec"
)

// MariaDB prepares the installed MariaDB. The caller removes the template once its servers have ended.
func MariaDB() (*Template, error) {
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	server, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	t := &Template{family: "mariadb", args: []string{server, "--no-defaults"}}
	return t.install(accountStatements(), install, "--no-defaults", "--auth-root-authentication-method=normal",
		"--skip-test-db", "--innodb-log-file-size=16M")
}

// find finds a program, in the folders of the administrator's too, which are not on everyone's path.
func find(name string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("no %s here: run integration/install.sh", name)
}
