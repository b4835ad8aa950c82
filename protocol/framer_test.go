package protocol

import (
	"bytes"
	"testing"
)

// packetsIn reads packet headers as plainly as it can be done: the payload lengths of a stream whose packets are
// numbered from seq on, and whether it ends between two. ok is false where a packet has another number.
func packetsIn(b []byte, seq uint8) (lengths []int, between, ok bool) {
	for len(b) >= HeaderSize {
		if b[3] != seq {
			return lengths, false, false
		}
		n := PayloadLen(b)
		lengths = append(lengths, n)
		seq++
		if n > len(b)-HeaderSize {
			return lengths, false, true
		}
		b = b[HeaderSize+n:]
	}
	return lengths, len(b) == 0, true
}

func TestFramer(t *testing.T) {
	var stream []byte
	for i, n := range []int{0, 1, 300, 5, 0} {
		stream = AppendPacket(stream, uint8(254+i), bytes.Repeat([]byte{'x'}, n))
	}
	for step := 1; step <= len(stream); step++ {
		checkFramer(t, stream, 254, step)
	}
}

// checkFramer feeds a stream in pieces of step bytes, and in pieces that are whole packets, which Feed has a shorter way
// for.
func checkFramer(t *testing.T, stream []byte, seq uint8, step int) {
	t.Helper()
	lengths, between, ok := packetsIn(stream, seq)
	pieces := Framer{Seq: seq}
	got, failed := 0, false
	for rest := stream; len(rest) > 0 && !failed; {
		n := min(step, len(rest))
		packets, err := pieces.Feed(rest[:n])
		got, failed = got+packets, err != nil
		rest = rest[n:]
	}
	if failed == ok || got != len(lengths) {
		t.Fatalf("%d packets, failed %v; want %d, %v", got, failed, len(lengths), !ok)
	}
	if !ok {
		return
	}
	if pieces.Between() != between || pieces.Seq != seq+uint8(len(lengths)) {
		t.Errorf("ends between packets: %v, before number %d; want %v, %d", pieces.Between(), pieces.Seq, between,
			seq+uint8(len(lengths)))
	}
	if n := len(lengths); n > 0 && pieces.Length != lengths[n-1] {
		t.Errorf("the last packet has %d bytes, want %d", pieces.Length, lengths[n-1])
	}
	whole := Framer{Seq: seq}
	for i, rest := 0, stream; len(rest) > 0; i++ {
		n := len(rest)
		if i < len(lengths) {
			n = min(n, HeaderSize+lengths[i])
		}
		if _, err := whole.Feed(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if whole.Seq != pieces.Seq || whole.Left != pieces.Left || whole.Length != pieces.Length || whole.nhead != pieces.nhead {
		t.Errorf("fed by packets it is %+v, by %d bytes %+v", whole, step, pieces)
	}
	if read := wantedPackets(stream, seq); read != len(lengths) {
		t.Errorf("read as far as wanted, there are %d packets, want %d", read, len(lengths))
	}
}

// wantedPackets counts the packets of a stream of which no more is read at a time than Framer.Wanted allows, which must never
// pass the end of a header.
func wantedPackets(stream []byte, seq uint8) (packets int) {
	f := Framer{Seq: seq}
	for len(stream) > 0 {
		n := min(f.Wanted(), len(stream))
		began, err := f.Feed(stream[:n])
		if err != nil || began > 1 || n == 0 {
			return -1
		}
		packets += began
		stream = stream[n:]
	}
	return packets
}

func FuzzFramer(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream []byte, seq, step uint8) {
		checkFramer(t, stream, seq, int(step)+1)
	})
}
