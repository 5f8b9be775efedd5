// Package agent is one node's reporter: it reads how hot a board is and whether its supply sags, once a second, and
// serves that over gRPC (bramble.agent.v1) to whoever watches. The command bramble-agent is this package with adapters
// to the Linux kernel; a program of your own can carry an [Agent] too, with its own sensors.
//
// # Ports
//
// An agent sees its board through four small interfaces: [Thermal], [Throttle], [Light] and [Shutdown]. Each may be
// missing; what is missing is reported as unsupported, and what fails as failed with its error: never as zero, never as
// fine, and never hiding the others.
//
// # Sampling
//
// [Agent.Run] takes a sample at each multiple of the interval on absolute deadlines, so that it does not drift; a sample
// that comes too late is skipped, not made up for. A steady sample allocates nothing.
//
// A read that does not return (a hung driver) holds nobody up for longer than a quarter of the interval, and only the
// first time: then its goroutine is left behind, the other sensors are read by a new one, and the sensor reads as an
// error until the kernel answers. An answer that comes late counts for the next sample, so a slow disk is a sample old
// rather than missing. Each sensor has at most one read under way, so at most one goroutine a sensor is ever left behind.
//
// # Watching
//
// A subscriber gets the whole state first, then with each sample what changed since the message before, or an empty
// heartbeat. Readings conflate: a subscriber whose transport is full is not waited for, and gets the newest state when
// it reads again. Flag edges and shutdown notices are never lost: they wait in one ring of 512 that all subscribers
// share, and one that falls further behind is ended with RESOURCE_EXHAUSTED. So a subscriber costs its own transport's
// buffers, at most 64 KiB here, and nothing else; at most 128 are served, and the next is refused with
// RESOURCE_EXHAUSTED. No subscriber delays the sampler or another subscriber.
//
// How old a sample is, and how long ago an edge was seen, is told by a monotonic clock: a jump of the wall clock changes
// nothing.
//
// # Counts
//
// How often each throttling flag rose in this boot is counted here, since other programs clear the firmware's own
// history (package throttle has the rules). With [Config.StatePath] the counts survive a restart of the agent within the
// boot. The file is replaced whenever a flag or its source changes and not written otherwise. It is best on a tmpfs: it is of no use
// to the next boot.
//
// # Concurrency
//
// All methods of an [Agent] may be called from several goroutines. [Agent.Run] and [Agent.Serve] block, and join
// all that they started before they return, with one exception: a read that hangs inside the kernel cannot be ended by
// anybody, and is left behind after a second.
package agent
