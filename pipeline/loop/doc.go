// Package loop runs sessions: a fixed number of workers, each one goroutine with an epoll instance of its own, serve
// straight-line code that may wait. It is the only package that makes system calls.
//
// What runs on a worker is a Task: a coroutine that gives the worker back whenever it waits for a socket, a timer
// or another goroutine. Nothing in a Task may block in any other way.
//
// A worker with nothing to do does not sleep in epoll_wait, which would cost a hand-over of its thread: its epoll
// descriptor is itself registered with Go's runtime poller, and the goroutine parks there.
//
// A round of a worker's loop is one look at its sockets and all that follows from it. Where the kernel can send to several
// sockets in one call (Ring), what is small is sent together once all events have been seen to (Conn.WriteSoon).
package loop
