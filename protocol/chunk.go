package protocol

// Kind says what the packets of a Chunk are.
type Kind uint8

// The kinds of packets replies are made of.
const (
	KindOther       Kind = iota // none of these; a reply reader, which takes unknown commands for queries, never says it
	KindOK                      // an OK packet that answers a command
	KindErr                     // an ERR packet; it ends the reply
	KindEOF                     // an EOF packet, or the OK packet that stands for one: it ends columns or rows
	KindColumns                 // a result set's first packet: the number of columns
	KindColumn                  // column definitions, or parameter definitions of a prepared statement
	KindRow                     // rows, text or binary
	KindPrepareOK               // the first packet of the answer to COM_STMT_PREPARE
	KindLocalInfile             // the server asks for a file: the client's packets come next
	KindProgress                // a MariaDB progress report
	KindStatistics              // the one string that answers COM_STATISTICS
	KindEvent                   // binlog events
)

var kindNames = [...]string{
	"other", "OK", "ERR", "EOF", "columns", "column", "row", "prepare OK", "LOCAL INFILE", "progress", "statistics",
	"event",
}

// String names the kind.
func (k Kind) String() string { return kindNames[k] }

// Part says which part of a packet a Chunk holds, where the packet is longer than a read buffer.
type Part uint8

// Whole chunks hold whole packets only. A packet that travels in fragments is one First chunk, any number
// of Middle ones and a Last one, with nothing between them.
const (
	Whole Part = iota
	First
	Middle
	Last
)

// A Chunk is a piece of a reply: a run of packets of one kind, or a fragment of a single long packet.
//
// Data lies in its sender's buffer and is valid until the call it is passed to returns: whoever keeps it
// clones it. Nobody changes it in place: a filter that changes a reply passes on a Chunk of its own.
type Chunk struct {
	// Data is what came over the wire, packet headers included. The sequence numbers in them mean
	// nothing: the client's end of the session numbers what it sends. A fragment starts with a header where
	// it is the First one, and holds further headers wherever the packet's payload passes a multiple of
	// MaxPayload.
	Data []byte
	// Count is the number of packets that begin in Data: 1 for a First fragment, 0 for the ones after it.
	// A payload of MaxPayload bytes and more counts as one packet.
	Count int
	Kind  Kind
	Part  Part
	// Final is set where the reply ends with this chunk.
	Final bool
	// Status holds the server status flags (SERVER_STATUS_..., SERVER_MORE_RESULTS_EXISTS) of a KindOK or
	// KindEOF chunk, and 0 in others.
	Status uint16
	// Server names the server that answered, and is empty where Weir did.
	Server string

	wire wire
}

// wire is where Data lies in the buffer it was read into. It says something only while Data is still the slice
// that the reply reader cut.
type wire struct {
	b       []byte // from Data's first byte to the end of what was read
	n       int    // len(Data)
	packets int    // packet headers in Data
	seq     uint8  // number in the first of them; the others count up from it
}

// Payload returns the payload of the chunk's first packet, as far as it lies in Data.
func (p *Chunk) Payload() []byte {
	if len(p.Data) < HeaderSize {
		return nil
	}
	end := min(HeaderSize+PayloadLen(p.Data), len(p.Data))
	return p.Data[HeaderSize:end:end]
}

// Wire reports whether Data is exactly what a ReplyReader cut from a server's bytes. Such bytes stay where they are
// until the session is flushed. b is Data with the capacity of the whole buffer behind it, so that neighbouring
// chunks can be joined; packets is the number of packet headers in it, and seq the number in the first of them,
// from which the others count up.
func (p *Chunk) Wire() (b []byte, packets int, seq uint8, ok bool) {
	if len(p.Data) == 0 || p.wire.n != len(p.Data) || &p.wire.b[0] != &p.Data[0] {
		return nil, 0, 0, false
	}
	return p.wire.b[:p.wire.n], p.wire.packets, p.wire.seq, true
}

// Clone returns a copy that shares no bytes with p.
func (p *Chunk) Clone() *Chunk {
	c := *p
	c.Data, c.wire = append([]byte(nil), p.Data...), wire{}
	return &c
}
