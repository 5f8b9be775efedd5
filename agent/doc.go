// Package agent is one node's reporter: it reads how hot a board is and whether its supply sags, once a second, and
// serves that over gRPC (bramble.agent.v1) to whoever watches. It tells of shutdowns before they happen, and shuts the
// board down when it is asked to. The command bramble-agent is this package with adapters
// to the Linux kernel; a program of your own can carry an [Agent] too, with its own sensors.
//
// # Ports
//
// An agent sees its board through six small interfaces: [Thermal], [Throttle], [Light], [Shutdown], [Power] and [DoneLine].
// Each may be missing; what is missing is reported as unsupported, and what fails as failed with its error: never as zero, never as
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
// # The end of a boot
//
// A shutdown is announced to all subscribers as soon as it is known, whoever asked for it: [Shutdown] tells of those that
// somebody else began, and holds them back until the subscribers have been sent the notice, for a second at most. Where
// the system tells only later which kind it is, a second notice says so; the agent's own end waits for that, for two
// seconds at most.
//
// PowerOff and Reboot go to [Power] and answer with what it says. An operation is carried out once in a boot: the same one
// again is answered again, also by another agent that has been started since ([Config.OperationsPath]). It is written
// down before the system is asked, so an agent that dies in between asks again, and takes the system's "under way already"
// for its own. One operation at a time is on its way, and the others are refused. It can be called off only for as
// long as it is held back ([Config.PowerOffHold]): no system takes a shutdown back. A PowerOff is refused while [DoneLine]
// says that nobody could see its end, unless the caller knows better.
//
// PulseDoneLine puts a pulse on the done line, to prove its wire. A watcher takes a line that rises in a shutdown for the
// proof that the board has ended. So a shutdown ends a pulse before it is announced or asked for, and there is
// no other until it is called off.
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
