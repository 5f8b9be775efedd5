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
// WriteDuty it writes the duty and steps FanWritten. Publish is for subscribers, Refuse is the answer to a SetFan that
// cannot be obeyed.
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
// not heard while its rail is seen off, or gone after it announced a power-off. One that announced it without a rail, or
// with a rail that cannot be read, is believed to have halted, still powered, once its stream has ended. With a rail that
// is seen on it is believed until the stop deadline: then it hangs. Who is heard is always judged, whatever its rail
// seems to be and whatever it announced. A fan for which no node counts is at its minimum; one that may stop does so only
// when all that it cools is known to be without power.
//
// From an announced reboot to the start of the new boot, or from a rail's rise to the first sample after it, at most the
// boot deadline, the node holds the fan up instead. A rail that rises once more before anything was heard explains no more
// silence. One failed sensor is an alarm; when it leaves its node without any temperature to follow, its last value grows
// old as if the node were silent.
//
// # Guarantees
//
// Step is deterministic: the same Config, times and events give the same effects to the byte, jitter included. A now
// that runs backwards counts as standing still, and times are only ever subtracted, so that a wall clock that jumps
// changes nothing when now carries the monotonic reading that time.Now gives. Every alarm that is raised is cleared
// once before it is raised again, and reports are numbered without a gap. A Step in steady state allocates nothing. A
// Core is not safe for concurrent use.
package core
