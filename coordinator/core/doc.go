// Package core makes every decision of a coordinator: who is heard, what is wrong, how fast each fan turns and when a
// lost node is dialled again. It has no goroutine, no clock and no I/O. Its owner, the shell, tells it what happened
// and does what it answers:
//
//	effects := core.Step(now, event)
//
// # Events and effects
//
// The shell steps Tick once a second, after it has read what it can of the hardware (FanMeasured, RailObserved), and
// Wake when Next says so. For each Connect it waits, dials, and then steps StreamOpened, a NodeMessage for each message
// in their order, and exactly one StreamClosed, also when it never got through and after a Disconnect. For each
// WriteDuty it writes the duty and steps FanWritten, and likewise for each effect about power what its comment says.
// Publish is for subscribers, Answer and Refuse are for the person whose request has that ticket.
//
// # Who is heard
//
// A node is live while its samples are fresh, stale when the newest is 3 s old, unreachable at 15 s. What counts is the
// age of the sample, by the agent's monotonic clock and then by ours, so a stream that only repeats old readings is as
// silent as a dead one. A stream that says nothing for 5 s is taken down and dialled anew: a dark link gives no error
// of its own for minutes. Redials wait a random time within a window that doubles from 250 ms to 5 s.
//
// A new boot identifier is a reboot, the same one is only a new stream. A message out of order, or twice, ends the
// stream: what it said before may be wrong, and a new stream starts with the whole state.
//
// # What a fan heeds
//
// Each fan gets one input for each temperature with a set-point, of each node it cools. The set-point of a processor is
// the node's own or else the fan's, and at most 5 K under the limit; that of a disk or another sensor is 15 K under the
// limit that the sensor itself states, and one without is shown but not followed. The limit of a processor is the
// configured one, or the board's, or the sensor's.
//
// Whatever is not known counts as hot, and the fan package sees to it that the fan is at full when it has not been known
// for 5 s. This includes a node that has never answered. Only who is known to be absent is left out: in maintenance, or
// not heard since its end was proved or while its rail is seen off, or gone after it announced a power-off. One that
// announced it without a rail, or with a rail that cannot be read, is believed to have halted, still powered, once its
// stream has ended. With a rail that is seen on it is believed until the stop deadline: then it hangs. Who is heard is
// always judged, whatever its rail seems to be and whatever it announced, and a rail that does not do as it is told is not
// believed to be off. A fan for which no node counts is at its minimum; one that may stop does so only when all that it
// cools is known to be without power.
//
// From an announced reboot to the start of the new boot, or from a rail's rise to the first sample after it, at most the
// boot deadline, the node holds the fan up instead. A rail that rises once more before anything was heard explains no more
// silence. One failed sensor is an alarm; when it leaves its node without any temperature to follow, its last value grows
// old as if the node were silent.
//
// # Power
//
// Each node has a power.Machine, which decides when it may be started, shut down and cut. The core tells it what it sees:
// the rail, each edge of the done line, each message of the agent and its silence, what became of what it asked for, and
// the time. A node is silent when its newest sample is StaleAfter old, or 2 s after its stream has ended. What the machine
// wants becomes an effect: SwitchRail, AskPowerOff, AskReboot, AskPulse.
//
// An operation is what a person asked of nodes: a Request that passes becomes one, with a step for each node. Its steps begin
// in the order of the nodes' dependencies, some at a time; a stop of what others stand on waits for those, and does not
// begin when one of them failed. Starts wait as queued until the power.Plan lets them go, one by one: by the supply, the
// stagger, and the under-voltage of any node that is heard. The master is no machine's to stop: it is asked last, by
// StopMaster, and only when every worker is off, or halted where it has no rail. Where the master goes down whatever we say,
// the end of the operation names the workers that are not off: their rails are not cut for it.
//
// # Written before acted on
//
// What must outlast the coordinator leaves it as a Store, at most one at a time, and what depends on it waits for the
// Stored: a request is answered, and an operation begins, when it is on disk; a machine acts when its record is. A write that
// fails refuses the requests that it held, which then never begin, and is tried again every second with all the rest. Until
// one succeeds, or while a damaged memory is not acknowledged, nothing is switched and nobody is asked anything; proofs are
// still taken, fans still turn. What waited is asked about again before it is let out.
//
// Reports alone are worth no write: they go along with the next that is needed, or after ten minutes, save what a person
// did. So nothing is written in an hour in which nothing happens. The last 500 reports and the last 100 operations are
// remembered, and those that run.
//
// A Core that is opened with what was kept goes on with each operation where it was. It switches nothing because it
// starts. After a new boot of the master, and only then, it starts the nodes that AfterOutage says, as an operation of
// its own.
//
// # Guarantees
//
// Step is deterministic: the same Config, times and events give the same effects to the byte, jitter included. A now
// that runs backwards counts as standing still, and times are only ever subtracted, so that a wall clock that jumps
// changes nothing when now carries the monotonic reading that time.Now gives. Every alarm that is raised is cleared
// once before it is raised again, and reports are numbered without a gap. A Step in steady state allocates nothing. A
// Core is not safe for concurrent use.
package core
