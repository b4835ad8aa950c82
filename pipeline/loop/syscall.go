package loop

import (
	"os"
	"syscall"
	"unsafe"
)

// The calls on the statement path never block, so they go straight to the kernel: telling the runtime's scheduler
// about them would cost more than some of them do.

// epollET is syscall.EPOLLET as the unsigned number it is.
const epollET = 1 << 31

const epollIn = syscall.EPOLLIN | syscall.EPOLLRDHUP | epollET

// recv reads what is there into b.
func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// ended reports whether the peer has closed its side and nothing is left to read.
func ended(fd int) bool {
	var b [1]byte
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1,
		syscall.MSG_DONTWAIT|syscall.MSG_PEEK, 0, 0)
	return errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR || errno == 0 && n == 0
}

// send writes as much of b as the socket takes.
func send(fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))),
		uintptr(len(b)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

// epollWait returns how many events are there now.
func epollWait(epfd int, events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func (w *Worker) register(fd int, gen uint32) error {
	ev := syscall.EpollEvent{Events: epollIn, Fd: int32(fd), Pad: int32(gen)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(w.epfd, syscall.EPOLL_CTL_ADD, fd, &ev))
}

func (w *Worker) registerOut(fd int, gen uint32) error {
	ev := syscall.EpollEvent{Events: epollIn | syscall.EPOLLOUT, Fd: int32(fd), Pad: int32(gen)}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(w.epfd, syscall.EPOLL_CTL_MOD, fd, &ev))
}

// unregister fails for nothing that is registered.
func (w *Worker) unregister(fd int) { _ = syscall.EpollCtl(w.epfd, syscall.EPOLL_CTL_DEL, fd, nil) }

func eventfd() (int, error) {
	fd, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("eventfd2", errno)
	}
	return int(fd), nil
}

// eventfdWrite makes an eventfd readable. Its counter is never read back: epoll reports every write, and the counter
// cannot fill up in the life of a process.
func eventfdWrite(fd int) {
	one := [8]byte{1}
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), uintptr(len(one)))
}

func dup(fd int) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("fcntl", errno)
	}
	return int(n), nil
}
