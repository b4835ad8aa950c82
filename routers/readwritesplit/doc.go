// Package readwritesplit is the router that gives each session a primary and its replicas as if they were one server:
// what writes goes to the primary, reads are spread over the replicas.
//
// A command comes to session.Serve, and has four questions asked of it:
//
//   - Where is it to go? policy.decide makes a decision of the statement, its effects and the session's situation (route*.go).
//     A hint may say otherwise (hint*.go).
//   - Who is that? session.place finds the member, one of the servers, and connects it (place.go, choose*.go). Where nobody
//     takes the command, await waits for somebody.
//   - What does the member lack for it? session.ready has it run the session commands that it has not run (sync.go,
//     history*.go, keep.go), and brings it the user variables (away*.go), the LAST_INSERT_ID() (insertid.go), the prepared
//     statement (prepared.go, reading.go, reuse*.go) and others' writes (consistency.go, causal*.go, gtid*.go) that the
//     command is about.
//   - How did it go? session.runAt sends it, a passage passes the reply on and looks at it (reply.go), with the status flags
//     of the open transaction where that is another server's (restate.go), and session.served keeps up with what has changed.
//
// Where a server is lost meanwhile, faults.go says whether another one may be asked. A transaction that was open there is run
// again (replay*.go, resume.go, evict.go), as one is that began on a replica and comes to write (optimistic.go). What cannot
// go on ends the session (gone.go, parted.go). What monitors find out, watch.go tells the sessions, and idle connections are
// kept by keepalive.go. A wait may be killed (killed.go).
//
// A session is served by one task at a time: nothing is shared between sessions but what the Router has.
package readwritesplit
