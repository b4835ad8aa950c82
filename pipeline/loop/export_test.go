package loop

import "syscall"

// Break has every later call of the Ring's fail.
func (r *Ring) Break() {
	_ = syscall.Close(r.fd)
	r.fd = -1
}

// Blind has the Ring see no more of what completes.
func (r *Ring) Blind() {
	tail := *r.cqTail
	r.cqTail = &tail
}

// An Outgoing is what one socket is to be sent, and what has become of it.
type Outgoing struct {
	FD int
	B  []byte
	N  int
}

// Send has the Ring send a batch.
func (r *Ring) Send(batch []Outgoing) (known bool) {
	out := make([]outgoing, len(batch))
	for i, o := range batch {
		out[i] = outgoing{fd: int32(o.FD), b: o.B}
	}
	known = r.send(out)
	for i, o := range out {
		batch[i].N = o.n
	}
	return known
}
