package sqlscan

// Class is what kind of statement it is, as a router must know it.
type Class uint8

// The classes.
const (
	Unknown    Class = iota // nothing is known: treat it as if it wrote
	Read                    // SELECT, VALUES, TABLE, WITH ... SELECT, DO; with nothing in Effects it changes nothing
	Show                    // SHOW, DESCRIBE, EXPLAIN, HELP, ANALYZE of a SELECT, CHECKSUM
	Write                   // INSERT, UPDATE, DELETE, REPLACE, LOAD, MERGE, TRUNCATE is Schema
	Schema                  // CREATE, ALTER, DROP, RENAME, TRUNCATE, GRANT ...: commits implicitly
	Begin                   // BEGIN, START TRANSACTION
	Commit                  // COMMIT
	Rollback                // ROLLBACK, without TO SAVEPOINT
	Savepoint               // SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO SAVEPOINT
	XA                      // XA ...
	Set                     // SET: see Assignments
	Use                     // USE: see UseSchema
	Prepare                 // PREPARE ... FROM
	Execute                 // EXECUTE, EXECUTE IMMEDIATE
	Deallocate              // DEALLOCATE PREPARE, DROP PREPARE
	Call                    // CALL
	Lock                    // LOCK TABLES, LOCK INSTANCE, FLUSH TABLES WITH READ LOCK, BACKUP STAGE
	Unlock                  // UNLOCK TABLES
	Kill                    // KILL
	Handler                 // HANDLER
	Admin                   // FLUSH, RESET, CHANGE MASTER, START REPLICA, INSTALL, ANALYZE TABLE, OPTIMIZE, SHUTDOWN ...
	Compound                // BEGIN NOT ATOMIC, IF, LOOP ... outside a stored program
	Many                    // several statements of which not all are Read or Show
	numClasses
)

var classNames = [numClasses]string{
	"unknown", "read", "show", "write", "schema", "begin", "commit", "rollback", "savepoint", "xa", "set", "use",
	"prepare", "execute", "deallocate", "call", "lock", "unlock", "kill", "handler", "admin", "compound", "many",
}

// String names the class in lower case.
func (c Class) String() string { return classNames[c] }

// NumClasses is the number of classes: every Class is below it.
const NumClasses = int(numClasses)

// Effects are what a statement does, or depends on, beyond reading or writing rows.
type Effects uint32

// The bits of Effects.
const (
	ForUpdate       Effects = 1 << iota // SELECT ... FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE
	IntoFile                            // INTO OUTFILE, INTO DUMPFILE
	IntoVariable                        // INTO @x
	UserVariable                        // reads @x
	SetsVariable                        // @x := ...
	SystemVariable                      // reads @@x
	LastInsertID                        // LAST_INSERT_ID(), @@identity, @@last_insert_id
	FoundRows                           // FOUND_ROWS(), ROW_COUNT(), SQL_CALC_FOUND_ROWS, SHOW WARNINGS, SHOW ERRORS, GET DIAGNOSTICS
	LockFunction                        // GET_LOCK(), RELEASE_LOCK(), IS_FREE_LOCK() ..., MASTER_POS_WAIT()
	Sequence                            // NEXTVAL(), NEXT VALUE FOR, LASTVAL(), SETVAL() ...
	StoredFunction                      // calls a function that is not the server's own
	Temporary                           // creates, or drops, a TEMPORARY table
	ReadOnly                            // START TRANSACTION ... READ ONLY
	Chain                               // COMMIT, ROLLBACK ... AND CHAIN
	Release                             // COMMIT, ROLLBACK ... RELEASE
	Snapshot                            // START TRANSACTION WITH CONSISTENT SNAPSHOT
	Global                              // SET GLOBAL, SET PERSIST
	ImplicitCommit                      // commits an open transaction without saying so
	Returning                           // INSERT, DELETE ... RETURNING
	LocalInfile                         // LOAD DATA LOCAL INFILE
	Volatile                            // RAND(), UUID(), CONNECTION_ID() ...: differs from server to server
	ReplicationInfo                     // SHOW REPLICA STATUS, SHOW MASTER STATUS, SHOW BINLOG EVENTS ...
	Uncertain                           // it may do anything else: the text goes on, or not all servers read it so
)

// A Description is what follows from a canonical text. It holds no reference to it.
type Description struct {
	Class   Class
	Effects Effects
	// Operation is the statement's leading keywords, in upper case: "SELECT", "CREATE TABLE", "START TRANSACTION".
	Operation string
	// Summary is db.query.summary of OpenTelemetry's conventions: "SELECT orders customers". At most 255 bytes.
	// https://opentelemetry.io/docs/specs/semconv/db/database-spans/#generating-a-summary-of-the-query
	Summary string
	// Statements is the number of statements in the text.
	Statements int
}

// Flagged is the description of a text with these flags.
func (d Description) Flagged(flags Flags) Description {
	if flags&(Incomplete|Doubtful) != 0 {
		d.Effects |= Uncertain
	}
	return d
}

// Describe says what a canonical text of a Scanner is. Of one that came with the flags Incomplete or Doubtful, that is
// not sure: see Flagged.
func Describe(canonical []byte, mode Mode) Description {
	statements := split(canonical, mode)
	d := Description{Statements: len(statements)}
	var summary summary
	for i, s := range statements {
		v := s.verb()
		if i == 0 {
			d.Class, d.Operation = v.class, v.operation
		} else {
			d.Class = together(d.Class, v.class)
			summary.end()
		}
		d.Effects |= v.effects
		summary.add(s, v)
	}
	d.Summary = summary.String()
	return d
}

// together is the class of statements of two classes.
func together(a, b Class) Class {
	reads := func(c Class) bool { return c == Read || c == Show }
	switch {
	case !reads(a) || !reads(b):
		return Many
	case a == Read:
		return a
	default:
		return b
	}
}
