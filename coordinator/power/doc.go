// Package power decides when a node may be switched on, shut down and cut. It is pure: no clock, no goroutine, no log, no
// disk. Whoever owns a [Machine] steps it with what happened and when, does the actions it answers with in their order, and
// steps it again at the time that [Machine.Next] names. A [Plan] says which of several nodes may start, and in which order
// they go.
//
// # What holds
//
// A rail is cut only when a reason is on disk, and there are four: a latched proof of done; a person's forced cut with its
// words; cut_stuck_after and fence_lost_after, where the owner has set them. Whatever is heard, seen or restarted between
// the writing of a reason and the cut can still void a proof; nothing can make one.
//
// A machine begins in the state unknown and observes for up to 10 s. It adopts what it sees and switches nothing because it
// began; only what a kept record had begun, and what is observed does not contradict, goes on.
//
// Everything that an act depends on is written before: an act follows the Persisted of the newest Persist. Where a step
// ends a task and changes the record, Ended comes before Persist, and both belong into one write.
//
// # Proof of done
//
// It counts only after the node's system was asked for a power-off or announced one, in the same boot, and after its last
// sample; only from a line that was seen low in that boot while the agent was heard; and only by the mechanism that the agent
// reported last. A line that was high for more than 150 ms, or rose more than eight times in 10 s, while its node was heard
// proves nothing until the next boot or a wiring test: that is on disk, an alarm is raised, and a Stop is refused. The
// overlay's proof is high, low, high, each for its delay within 30 % (20 ms at the least) by the kernel's times of the
// edges, after half a second of low, and the last level held for longer than a line that swings in this rhythm would hold
// it. The helper's is a level held for 500 ms without an edge, after two seconds of low; a rise between the latch and the cut
// voids it. A watch that begins in the middle (a new coordinator, a line that could not be read) takes what is left, the
// helper's level or the overlay's low and high, if the record says that the line was low when the end was asked for or
// announced. It is taken also in the state unknown. A reboot, a glitch of
// 1, 50 or 100 ms, a line that bounces, floats or is stuck is none. A helper's line that was high for long while the node
// booted (a pin that is pulled up) proves nothing until a boot has shown it low.
//
// The latch is written first. Then the node must stay silent for 2 s and the grace must pass, and the reason of the cut is
// written. An agent that is heard with a sample newer than the latch voids it: it restarted, or the line lies. So does an
// edge that was on its way and falls into the time in which the level was to be held. The level need not last after it. So
// does the first message of a stream that begins after the latch, however old its sample.
//
// A machine that is not stepped for 2.5 s did not look. What it had been waiting for in silence begins anew: quiet stream and
// grace in full, cut_stuck_after and fence_lost_after by the time that was missed.
//
// A latch outlives its coordinator, not its master: after another boot of the master the worker may have lost its power
// as well and be booting. A latch that is older than 30 s when a coordinator starts, or whose cut was held back so long (by
// the disk, by a person who had left it halted) that its line has let go, needs a whole boot deadline of silence, for
// somebody may have pressed a button meanwhile.
//
// # Proof of off
//
// The rail reads off, the line is low within 2 s, nothing sampled later than 1 s after the cut is heard for 3 s. Otherwise
// the rail is welded, or has failed after three writes. Only a node that is off with this proof counts for nothing on the
// supply. A rail that was read off and is on again was moved by others: it is not cut again.
//
// # Wiring
//
// A done line whose owner nobody has tested cuts nothing, and a Stop of such a node is refused. A test makes the agent
// pulse its line: it must rise and fall once, for about the width that was asked, on this line and on no other; the owner
// steps [Strayed] for every edge of another node's line into a machine that tests. Where the kernel owns the line (the
// overlay) no pulse is possible. Then, and wherever else it is wanted, a power-off that somebody types on the node tests
// it: it ends halted; when after the latch every other node with a line is heard, or is off with proof, the owner steps
// [Witnessed], and the wiring is tested. The cut follows then as it does for any halted node.
//
// A pulse that comes on another's line only puts both in doubt ([Swapped], [Doubted]): neither cuts, not even with
// TrustWiring, until a test or an observed power-off has shown whose line it is.
//
// # When the master goes down
//
// Nothing is cut for it. A worker that is stuck, lost or in fault keeps its rail, which falls with the master where its wiring
// does not hold it: the owner says so loudly before, and leaves the master up where it has the choice.
//
// # What its owner does
//
// It steps RailSeen and LineSeen at once after New, RailSeen each second and after each RailWritten, LineEdge in the
// kernel's order, and of a message of the agent first Heard, then Reported, then Announced. It answers each SwitchRail,
// AskPowerOff, AskReboot and AskPulse once, with Unsure where it does not know. It steps Persisted when a record is on
// disk, and after a crash it builds the machine from that one. It steps Grant and Proceed again for what a new machine
// shows as queued or draining. Its time never goes back.
//
// # The table
//
// Rows are tried from the top. A row without an event is looked at after every event. "Powered" stands for starting,
// booting, ready, rebooting, draining, stopping, proven, halted, stuck and lost.
//
//	FROM | event | guard | to | does
//	unknown, off, starting, booting, ready, rebooting, stopping, halted, stuck, lost, fault | Maintain | on | maintenance | forget proofs
//	maintenance | Maintain | off | unknown | observe anew
//	stuck, lost, fault | Clear | | unknown | forget fault and proofs, observe anew
//	powered, off, cutting | Clear | its rail had moved | same | end the alarm
//	off | Start | | queued | take the task
//	halted, lost | Start | it has no rail | queued | take the task
//	starting, booting | Start | | same | take the task
//	ready | Start | | same | end: it is up
//	off | Stop | | same | end: it is off
//	ready | Stop | | draining | take the task
//	stopping | Stop | | same | take the task as accepted
//	halted | Stop | it has a rail | proven | take the task as accepted
//	halted | Stop | | same | end: halted, still powered
//	ready | Reboot | | draining | take the task
//	ready | Test | | same | take the task
//	powered, fault | Cut | | same | write the person's reason down
//	queued | Cancel | it has a rail | off | end: called off
//	queued | Cancel | | lost | end: called off
//	ready, draining | Cancel | | ready | end: called off
//	queued | Grant | | starting | forget the last boot
//	draining | Proceed | | same | note the time
//	halted | Witnessed | the proof is on disk | same | the wiring is tested
//	unknown | | maintenance | maintenance | end: in maintenance
//	unknown | | a fault is kept | fault |
//	unknown | | a test, or a forced cut of another boot of the master, is kept | same | end: failed
//	unknown | | an edge came late that contradicts the proof | same | void the proof
//	unknown | | proof of done | same | latch it
//	unknown | | rail on, a forced cut is kept | cutting | rail off
//	unknown | | a cut had begun, and the rail is off | cutting |
//	unknown | | rail off, but its agent is heard | fault | rail welded
//	unknown | | rail off, line not high, silent; a start is kept | queued |
//	unknown | | rail off, line not high, silent | off | end: it lost its power
//	unknown | | rail off, but its line stays high | fault | rail welded
//	unknown | | heard after the proof | ready | void the proof, end: failed
//	unknown | | heard in a new boot, a stop was asked | ready | end: it restarted instead
//	unknown | | heard in a new boot, a reboot was asked | ready | end: done
//	unknown | | heard, it announced a reboot or accepted one | rebooting |
//	unknown | | heard, it announced a power-off or accepted one | stopping |
//	unknown | | heard, a stop or reboot is kept | draining |
//	unknown | | heard with a fresh sample | ready | end: up
//	unknown | | it is heard | booting |
//	unknown | | silent, a proof of another boot of the master is kept | same | void the proof
//	unknown | | silent, a proof and a stop are kept | proven |
//	unknown | | silent, a proof and a start without a rail are kept | queued |
//	unknown | | silent, a proof is kept | halted | end: halted, still powered
//	unknown | | silent, a start is kept | starting |
//	unknown | | silent, it was stuck | stuck |
//	unknown | | silent, it was lost | lost |
//	unknown | | silent, a reboot was asked or announced | rebooting |
//	unknown | | silent, a power-off was asked or announced | stopping |
//	unknown | | silent for 10 s, and it has neither rail nor line | lost | end: it is not heard
//	unknown | | silent for 10 s | starting | end: it is not heard
//	powered, fault | | a forced cut is on disk | cutting | rail off
//	proven, halted | | its rail went off, and bramble did not do it | cutting |
//	powered | | its rail went off, and bramble did not do it | cutting | end: it lost its power
//	off, queued | | its rail went on, and bramble did not do it | starting |
//	off, queued | | its agent is heard although the rail is off | fault | rail welded
//	draining, stopping, proven, halted, stuck, lost | | heard after the proof | ready | void the proof, end: failed
//	draining, stopping, proven, halted, stuck, lost | | an edge came late that contradicts the proof | stopping | void the proof
//	starting | | the start is on disk, off for 5 s | same | rail on
//	starting | | the rail did not take it, tries are left | same | rail on again
//	starting | | the rail did not take it | fault | rail failed
//	starting, booting | | fresh sample | ready | end: up
//	starting | | it is heard | booting |
//	starting, booting | | boot deadline, bramble started it | fault | no boot
//	starting, booting | | boot deadline | lost | end: not heard
//	ready | | a test is on disk | same | ask for a pulse
//	ready | | the test is over | same | end: tested, or why not
//	booting, ready | | it announced a reboot | rebooting |
//	booting, ready | | it announced a shutdown | stopping |
//	booting, ready | | it is silent, and its line is high, or it has neither rail nor line | lost |
//	booting, ready | | it is silent | rebooting |
//	rebooting, stopping | | it called its shutdown off | ready | end: failed
//	rebooting | | heard in a new boot, a reboot was asked | ready | end: done
//	rebooting | | it announced a power-off | stopping | end: it powers off instead
//	rebooting | | it is heard, and no restart is awaited | ready |
//	rebooting | | boot deadline, still heard | ready | end: it did not restart
//	rebooting | | boot deadline | lost | end: not heard
//	draining | | heard in a new boot, a stop was asked | ready | end: it restarted instead
//	draining | | heard in a new boot, a reboot was asked | ready | end: done
//	draining | | it announced a reboot | rebooting | end: it restarts, if a stop was wanted
//	draining | | it announced a power-off | stopping | end: it powers off, if a reboot was wanted
//	draining | | its agent refused | ready | end: failed
//	draining | | its system accepted the power-off | stopping |
//	draining | | its system accepted the reboot | rebooting |
//	draining | | gates open, heard, but its end could not be seen | ready | end: failed
//	draining | | gates open, heard | same | write that it is asked
//	draining | | that it is asked is on disk, heard, no answer is awaited | same | ask
//	draining | | a reboot was asked, and it is silent | rebooting |
//	draining | | stop deadline, a reboot was asked | ready | end: failed
//	draining | | gates open for 30 s, and it is not heard | rebooting | end: failed
//	stopping | | heard, and no power-off is announced | ready | end: it restarted instead
//	stopping | | it announced a reboot | rebooting | end: it restarts instead
//	halted | | heard, and it had given no proof | ready |
//	stuck | | heard, and no power-off is announced | ready | end: it restarted instead
//	lost | | it is heard | ready |
//	draining, stopping, stuck, lost | | proof of done | same | latch it
//	draining, stopping, stuck, lost | | the proof is on disk, a stop wants the rail off | proven |
//	draining, stopping, stuck, lost | | the proof is on disk | halted | end: halted, still powered
//	stopping | | no rail, no line to wait for, silent for 10 s | halted | end: halted, still powered
//	stopping | | stop deadline, still heard, and nobody said that it stays off | ready | forget the announcement
//	stopping | | stop deadline, and nobody said that it stays off | lost |
//	draining, stopping | | stop deadline | stuck | end: no proof in time
//	proven | | the wiring is not tested | halted | end: failed
//	proven, halted | | the proof is old, and the line does not hold it | same | wait for a boot deadline of silence
//	proven, halted | | quiet stream, grace over | same | write the cut
//	stuck | | cut_stuck_after is over | same | write the cut
//	lost | | fence_lost_after is over | same | write the cut
//	proven, halted, stuck, lost | | the cut is on disk | cutting | rail off
//	cutting | | its line stays high, or its agent is heard | fault | rail welded
//	cutting | | rail off, line fallen, stream gone | off | end: off
//	cutting | | its rail went on, and bramble did not do it | starting | end: failed
//	cutting | | the rail did not take it, tries are left | same | rail off again
//	cutting | | the rail did not take it | fault | rail failed
//	END
package power
