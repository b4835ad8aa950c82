// Package protocol turns bytes of the MySQL and MariaDB client/server protocol into packets and back.
// It does no I/O and imports no other package of Weir: readers hand it bytes, it says what they are.
//
// Spellings are the manuals':
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html and
// https://mariadb.com/kb/en/clientserver-protocol/.
package protocol
