package protocol

import (
	"strconv"
	"strings"
)

// Capability is a set of capability flags of one end of a connection, or of both.
// The low 32 bits are the flags both families know
// (https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html); the
// high 32 bits are MariaDB's extended ones, which travel in bytes MySQL keeps reserved
// (https://mariadb.com/kb/en/connection/#capabilities).
type Capability uint64

// The capability flags, by the names of the manuals.
const (
	ClientMySQL                      Capability = 1 << 0 // CLIENT_LONG_PASSWORD; a MariaDB end leaves it unset
	ClientFoundRows                  Capability = 1 << 1
	ClientLongFlag                   Capability = 1 << 2
	ClientConnectWithDB              Capability = 1 << 3
	ClientNoSchema                   Capability = 1 << 4
	ClientCompress                   Capability = 1 << 5
	ClientODBC                       Capability = 1 << 6
	ClientLocalFiles                 Capability = 1 << 7
	ClientIgnoreSpace                Capability = 1 << 8
	ClientProtocol41                 Capability = 1 << 9
	ClientInteractive                Capability = 1 << 10
	ClientSSL                        Capability = 1 << 11
	ClientIgnoreSigpipe              Capability = 1 << 12
	ClientTransactions               Capability = 1 << 13
	ClientReserved                   Capability = 1 << 14
	ClientSecureConnection           Capability = 1 << 15 // CLIENT_RESERVED2 in MySQL 8
	ClientMultiStatements            Capability = 1 << 16
	ClientMultiResults               Capability = 1 << 17
	ClientPSMultiResults             Capability = 1 << 18
	ClientPluginAuth                 Capability = 1 << 19
	ClientConnectAttrs               Capability = 1 << 20
	ClientPluginAuthLenencClientData Capability = 1 << 21
	ClientCanHandleExpiredPasswords  Capability = 1 << 22
	ClientSessionTrack               Capability = 1 << 23
	ClientDeprecateEOF               Capability = 1 << 24
	ClientOptionalResultsetMetadata  Capability = 1 << 25
	ClientZstdCompression            Capability = 1 << 26
	ClientQueryAttributes            Capability = 1 << 27
	ClientMultiFactorAuthentication  Capability = 1 << 28
	ClientCapabilityExtension        Capability = 1 << 29
	ClientSSLVerifyServerCert        Capability = 1 << 30
	ClientRememberOptions            Capability = 1 << 31

	MariaDBClientProgress           Capability = 1 << 32
	MariaDBClientComMulti           Capability = 1 << 33
	MariaDBClientStmtBulkOperations Capability = 1 << 34
	MariaDBClientExtendedMetadata   Capability = 1 << 35
	MariaDBClientCacheMetadata      Capability = 1 << 36
	MariaDBClientBulkUnitResults    Capability = 1 << 37
)

var capabilityNames = [...]string{
	"CLIENT_MYSQL", "CLIENT_FOUND_ROWS", "CLIENT_LONG_FLAG", "CLIENT_CONNECT_WITH_DB",
	"CLIENT_NO_SCHEMA", "CLIENT_COMPRESS", "CLIENT_ODBC", "CLIENT_LOCAL_FILES",
	"CLIENT_IGNORE_SPACE", "CLIENT_PROTOCOL_41", "CLIENT_INTERACTIVE", "CLIENT_SSL",
	"CLIENT_IGNORE_SIGPIPE", "CLIENT_TRANSACTIONS", "CLIENT_RESERVED", "CLIENT_SECURE_CONNECTION",
	"CLIENT_MULTI_STATEMENTS", "CLIENT_MULTI_RESULTS", "CLIENT_PS_MULTI_RESULTS", "CLIENT_PLUGIN_AUTH",
	"CLIENT_CONNECT_ATTRS", "CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA", "CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS",
	"CLIENT_SESSION_TRACK", "CLIENT_DEPRECATE_EOF", "CLIENT_OPTIONAL_RESULTSET_METADATA",
	"CLIENT_ZSTD_COMPRESSION_ALGORITHM", "CLIENT_QUERY_ATTRIBUTES", "MULTI_FACTOR_AUTHENTICATION",
	"CLIENT_CAPABILITY_EXTENSION", "CLIENT_SSL_VERIFY_SERVER_CERT", "CLIENT_REMEMBER_OPTIONS",
	"MARIADB_CLIENT_PROGRESS", "MARIADB_CLIENT_COM_MULTI", "MARIADB_CLIENT_STMT_BULK_OPERATIONS",
	"MARIADB_CLIENT_EXTENDED_METADATA", "MARIADB_CLIENT_CACHE_METADATA", "MARIADB_CLIENT_BULK_UNIT_RESULTS",
}

// Has reports whether all flags of want are set.
func (c Capability) Has(want Capability) bool { return c&want == want }

// String names the flags, separated by "|"; unknown ones as numbers of their bits.
func (c Capability) String() string {
	var names []string
	for i := range 64 {
		switch {
		case c&(1<<i) == 0:
		case i < len(capabilityNames):
			names = append(names, capabilityNames[i])
		default:
			names = append(names, "bit "+strconv.Itoa(i))
		}
	}
	return strings.Join(names, "|")
}
