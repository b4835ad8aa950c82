package pipeline

// A Problem is why a server is not used as it could be, in one word: what ServerState.Reason says at length.
type Problem uint8

// The problems.
const (
	NoProblem Problem = iota
	// Unreachable: nobody answers where the server should be, or what does is no server.
	Unreachable
	// NotResponding: it takes connections or has one, and does not answer in time.
	NotResponding
	// TooManyConnections: it takes no further connection, the monitor's included.
	TooManyConnections
	// AccessDenied: it does not let the monitor's account in.
	AccessDenied
	// MissingPrivilege: the monitor's account may not ask what it must know.
	MissingPrivilege
	// Refused: it answers the monitor with another error.
	Refused
	// ReplicationStopped: it is a replica on which replication has been stopped.
	ReplicationStopped
	// ReplicationBroken: it is a replica on which replication has ended with an error, or cannot reach its source.
	ReplicationBroken
	// NotFollowing: it does not replicate from the primary, neither directly nor through others.
	NotFollowing
	// SecondPrimary: it takes writes and replicates from nobody, and another one is the primary.
	SecondPrimary
	// ReadOnlyPrimary: it was the primary, and is read-only now.
	ReadOnlyPrimary
)

// Quotes reports whether the reason that goes with the problem has a server's own words, which may name accounts, hosts and
// data: it is for operators, and not for clients.
func (p Problem) Quotes() bool {
	switch p {
	case TooManyConnections, AccessDenied, MissingPrivilege, Refused, ReplicationStopped, ReplicationBroken:
		return true
	}
	return false
}

var problemNames = [...]string{
	"none", "unreachable", "not_responding", "too_many_connections", "access_denied", "missing_privilege", "refused",
	"replication_stopped", "replication_broken", "not_following", "second_primary", "read_only_primary",
}

// String names the problem as metrics do.
func (p Problem) String() string { return problemNames[p] }
