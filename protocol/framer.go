package protocol

import "fmt"

// A Framer follows packet headers through a stream of bytes that arrives in pieces cut anywhere. The zero Framer
// stands before a first packet numbered 0.
type Framer struct {
	// Seq is the number the next packet must have.
	Seq uint8
	// Left is how much of the current packet's payload is still to come.
	Left int
	// Length is the payload length of the packet that began last.
	Length int

	head  [HeaderSize]byte
	nhead int
}

// Feed follows b. It returns how many packets began in it, and an error where one has the wrong number.
func (f *Framer) Feed(b []byte) (packets int, err error) {
	// Nearly always b is one whole packet.
	if f.Between() && len(b) >= HeaderSize && len(b)-HeaderSize == PayloadLen(b) && b[3] == f.Seq {
		f.Length = len(b) - HeaderSize
		f.Seq++
		return 1, nil
	}
	for len(b) > 0 {
		if f.Left > 0 {
			n := min(f.Left, len(b))
			f.Left -= n
			b = b[n:]
			continue
		}
		n := copy(f.head[f.nhead:], b)
		f.nhead += n
		b = b[n:]
		if f.nhead < HeaderSize {
			break
		}
		f.nhead = 0
		if f.head[3] != f.Seq {
			return packets, fmt.Errorf("packet number %d where %d was expected", f.head[3], f.Seq)
		}
		f.Seq++
		f.Length = PayloadLen(f.head[:])
		f.Left = f.Length
		packets++
	}
	return packets, nil
}

// Wanted returns how many bytes may be read without passing the end of the next header, or of the header now being
// read: the rest of the current packet and the header after it.
func (f *Framer) Wanted() int { return f.Left + HeaderSize - f.nhead }

// Between reports whether a packet has ended and no byte of another has come.
func (f *Framer) Between() bool { return f.Left == 0 && f.nhead == 0 }
