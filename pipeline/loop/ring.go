package loop

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A Ring has the kernel send to many sockets in one system call, by io_uring. Each send wakes who waits for the bytes, and
// where processors are short that one runs next, before the sender returns from its call: with one call for all of them,
// the sender is put aside once and not each time. A Ring is used by one goroutine at a time.
//
// See io_uring_setup(2) and io_uring_enter(2); numbers and layouts are those of <linux/io_uring.h>.
type Ring struct {
	fd int
	// The queue of submissions: sqes[array[i]] for i from head to tail. The kernel moves the head, in a call of ours.
	sqHead, sqTail *uint32
	sqMask         uint32
	array          []uint32
	sqes           []submission
	// The queue of completions. The kernel moves the tail.
	cqHead, cqTail *uint32
	cqMask         uint32
	cqes           []completion

	queues, entries []byte // what they are in
}

const (
	sysIOURingSetup = 425 // on amd64 and arm64, as on most
	sysIOURingEnter = 426

	ringSubmissions    = 0x10000000 // IORING_OFF_SQES
	ringSingleMap      = 1          // IORING_FEAT_SINGLE_MMAP
	ringSend           = 26         // IORING_OP_SEND
	ringSize           = soonConns  // submissions at a time: there is room for twice as many completions
	sizeofSubmission   = 64
	sizeofCompletion   = 16
	sizeofArrayElement = 4
)

// submission is struct io_uring_sqe.
type submission struct {
	opcode, flags uint8
	priority      uint16
	fd            int32
	offset, addr  uint64
	len, msgFlags uint32
	userData      uint64
	_             [3]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	res      int32 // as the system call would have returned it: bytes sent, or -errno
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

// outgoing is what one socket is to be sent.
type outgoing struct {
	fd int32 // none if negative
	b  []byte
	n  int // bytes that were sent; 0 also where it was not tried
	// lost: it is not known whether any were, and the kernel may read b yet.
	lost bool
}

// NewRing makes a Ring, where the kernel has what it takes and lets this process have it.
func NewRing() (*Ring, error) {
	var p ringParams
	fd, _, errno := syscall.RawSyscall(sysIOURingSetup, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &Ring{fd: int(fd)}
	err := r.mapQueues(&p)
	if err == nil {
		err = r.probe()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) mapQueues(p *ringParams) (err error) {
	if p.features&ringSingleMap == 0 {
		return errors.New("the kernel's io_uring is too old")
	}
	const access, sharing = syscall.PROT_READ | syscall.PROT_WRITE, syscall.MAP_SHARED | syscall.MAP_POPULATE
	size := max(p.sq.array+p.sqEntries*sizeofArrayElement, p.cq.cqes+p.cqEntries*sizeofCompletion)
	if r.queues, err = syscall.Mmap(r.fd, 0, int(size), access, sharing); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	r.entries, err = syscall.Mmap(r.fd, ringSubmissions, int(p.sqEntries*sizeofSubmission), access, sharing)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }
	r.sqHead, r.sqTail, r.sqMask = at(p.sq.head), at(p.sq.tail), *at(p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = at(p.cq.head), at(p.cq.tail), *at(p.cq.mask)
	r.array = unsafe.Slice(at(p.sq.array), p.sqEntries)
	r.sqes = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*completion)(unsafe.Pointer(&r.queues[p.cq.cqes])), p.cqEntries)
	return nil
}

// Close gives the Ring's memory and descriptor back. A worker closes the one that it was given.
func (r *Ring) Close() {
	for _, b := range [][]byte{r.queues, r.entries} {
		if b != nil {
			_ = syscall.Munmap(b)
		}
	}
	_ = syscall.Close(r.fd)
}

// probe sees whether the kernel sends at once what can be, and says of the rest at once that it cannot: elder ones wait.
func (r *Ring) probe() error {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	word := []byte("probe")
	batch := []outgoing{{fd: int32(pair[0]), b: word}}
	if !r.send(batch) || batch[0].n != len(word) {
		return errors.New("the kernel's io_uring does not send")
	}
	for full := make([]byte, LargeBuffer); err == nil; {
		_, err = syscall.Write(pair[0], full)
	}
	if !r.send(batch) || batch[0].n != 0 {
		return errors.New("the kernel's io_uring waits where it should not")
	}
	return nil
}

// send has the kernel send each socket of at most ringSize what it takes at once. Of those that took nothing, the function
// send will say why. It reports false where it is not known what has become of some: the Ring is of no more use then.
func (r *Ring) send(batch []outgoing) bool {
	first := *r.sqTail
	tail := first
	for i := range batch {
		o := &batch[i]
		o.n, o.lost = 0, false
		if o.fd < 0 {
			continue
		}
		at := tail & r.sqMask
		r.sqes[at] = submission{
			opcode: ringSend, fd: o.fd, addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(o.b)))), len: uint32(len(o.b)),
			msgFlags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL, userData: uint64(i),
		}
		r.array[at] = at
		tail++
	}
	atomic.StoreUint32(r.sqTail, tail)
	_, _, _ = syscall.RawSyscall6(sysIOURingEnter, uintptr(r.fd), uintptr(tail-first), 0, 0, 0, 0)
	// It may have taken none or less than all, as where it is short of memory.
	taken := atomic.LoadUint32(r.sqHead)
	atomic.StoreUint32(r.sqTail, taken)
	for ; first != taken; first++ {
		batch[r.sqes[first&r.sqMask].userData].lost = true
	}
	unknown := taken - *r.cqHead // as many have completed as were taken, all in all
	head, end := *r.cqHead, atomic.LoadUint32(r.cqTail)
	for ; head != end; head++ {
		c := &r.cqes[head&r.cqMask]
		o := &batch[c.userData]
		o.n, o.lost = max(int(c.res), 0), false
		unknown--
	}
	atomic.StoreUint32(r.cqHead, head)
	return unknown == 0
}
