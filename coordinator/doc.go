// Package coordinator looks after one case: it follows every node's agent, turns the fans, says what is wrong, and
// serves what it knows. It is a library; the daemon is one of its users.
//
//	c, err := coordinator.New(coordinator.Config{ ... })
//	err = c.Run(ctx)
//
// # Who does what
//
// Every decision is made in package core, which has no clock and no goroutine. This package is its shell. One goroutine,
// the one that called Run, ticks once a second on absolute deadlines: it reads the fans' speeds and the rails, steps the
// core, and does as it says, writing duties included. One more goroutine for each node dials it and hands on what it
// says. The gRPC service is translation and nothing else.
//
// Every part is optional. A case without fans watches; one without nodes waits; without Listeners it is a library alone.
//
// # What is promised
//
//   - The fans are safe whatever ends Run: a cancelled context, a listener that fails, or a panic, in a port or in any
//     goroutine of Run. Safe is called before anything else is waited for.
//   - The fans are at full from the start until every node they cool was heard, and whenever one has been silent for 5 s.
//     Package core says exactly who counts.
//   - Alive is called after each complete tick and by nothing else. A port that hangs hangs the loop, so a watchdog that
//     is fed by Alive acts. What was last known can be read meanwhile.
//   - Nobody who listens delays control. Nodes and fans conflate for a slow subscriber; events wait for it in a ring of
//     1024 and no longer.
//   - No peer makes memory grow: messages have at most 64 KiB, headers 16 KiB, a connection 32 streams. At most 256
//     connections are open, 128 of them in their handshake, for 10 s; one without a call ends after 5 minutes. At most 128
//     subscribers watch over the wire; in the program, any number.
//   - Nothing that leaves this machine goes without the credentials of the case: New refuses it and names it.
//   - Wall clocks do not matter. Ages travel, not times, and everything is measured with the monotonic clock.
//   - New starts nothing. Run joins all that it started before it returns; only a Dial that ignores its context may
//     outlive it.
package coordinator
