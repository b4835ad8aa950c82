// Package integration tests Weir as its users meet it: the compiled program, real clients in several languages,
// real MariaDB and MySQL servers. install.sh provides what the tests need.
package integration
