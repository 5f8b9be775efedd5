package power

// kind is the type of an event, as the table has it.
type kind uint8

const (
	always kind = iota // whatever the event is
	onStart
	onGrant
	onStop
	onProceed
	onReboot
	onCut
	onTest
	onCancel
	onMaintain
	onClear
	onWitnessed
	kinds
)

// String is the event's name; empty for always.
func (k kind) String() string {
	return word(int(k), "", "Start", "Grant", "Stop", "Proceed", "Reboot", "Cut", "Test", "Cancel", "Maintain", "Clear", "Witnessed")
}

func kindOf(ev Event) kind {
	switch ev.(type) {
	case Start:
		return onStart
	case Grant:
		return onGrant
	case Stop:
		return onStop
	case Proceed:
		return onProceed
	case Reboot:
		return onReboot
	case Cut:
		return onCut
	case Test:
		return onTest
	case Cancel:
		return onCancel
	case Maintain:
		return onMaintain
	case Clear:
		return onClear
	case Witnessed:
		return onWitnessed
	default:
		return always
	}
}

// set is a set of states.
type set uint32

func in(list ...State) set {
	var s set
	for _, state := range list {
		s |= 1 << state
	}
	return s
}

func (s set) has(state State) bool { return s>>state&1 == 1 }

// row is one transition. Rows are tried from the top; the first whose state, event and guard fit is taken, and then the
// table is gone through again for what happens whatever the event is.
type row struct {
	from  set
	on    kind
	when  string // the guard, as the package doc says it; also the reason of the change unless does gives a better one
	holds func(*Machine) bool
	to    State
	does  string
	do    func(*Machine)
}

// same as a row's to leaves the state as it is.
const same = StateUnspecified

const (
	powered set = 1<<StateStarting | 1<<StateBooting | 1<<StateReady | 1<<StateRebooting | 1<<StateDraining | 1<<StateStopping |
		1<<StateProven | 1<<StateHalted | 1<<StateStuck | 1<<StateLost
	latchable set = 1<<StateDraining | 1<<StateStopping | 1<<StateStuck | 1<<StateLost
	latched   set = latchable | 1<<StateProven | 1<<StateHalted
	quiet     set = 1<<StateOff | 1<<StateReady | 1<<StateRebooting | 1<<StateStopping | 1<<StateHalted | 1<<StateStuck | 1<<StateLost |
		1<<StateStarting | 1<<StateBooting | 1<<StateFault | 1<<StateUnknown
)

// table is every transition there is. The package doc shows it, and a test compares the two.
var table = [...]row{
	// What people and operations ask. May refuses what has no row here, and more.
	{quiet, onMaintain, "on", (*Machine).maintainOn, StateMaintenance, "forget proofs", (*Machine).takeOut},
	{in(StateMaintenance), onMaintain, "off", (*Machine).maintainOff, StateUnknown, "observe anew", (*Machine).takeBack},
	{in(StateFault, StateStuck, StateLost), onClear, "", nil, StateUnknown, "forget fault and proofs, observe anew", (*Machine).clearFault},
	{powered | in(StateOff, StateCutting), onClear, "its rail had moved", (*Machine).railMoved, same, "end the alarm", (*Machine).forgetMove},
	{in(StateOff), onStart, "", nil, StateQueued, "take the task", (*Machine).takeTask},
	{in(StateHalted, StateLost), onStart, "it has no rail", (*Machine).noRail, StateQueued, "take the task", (*Machine).takeTask},
	{in(StateStarting, StateBooting), onStart, "", nil, same, "take the task", (*Machine).takeTask},
	{in(StateReady), onStart, "", nil, same, "end: it is up", (*Machine).alreadyUp},
	{in(StateOff), onStop, "", nil, same, "end: it is off", (*Machine).alreadyOff},
	{in(StateReady), onStop, "", nil, StateDraining, "take the task", (*Machine).takeTask},
	{in(StateStopping), onStop, "", nil, same, "take the task as accepted", (*Machine).joinStop},
	{in(StateHalted), onStop, "it has a rail", (*Machine).hasRail, StateProven, "take the task as accepted", (*Machine).joinStop},
	{in(StateHalted), onStop, "", nil, same, "end: halted, still powered", (*Machine).alreadyHalted},
	{in(StateReady), onReboot, "", nil, StateDraining, "take the task", (*Machine).takeTask},
	{in(StateReady), onTest, "", nil, same, "take the task", (*Machine).takeTask},
	{powered | in(StateFault), onCut, "", nil, same, "write the person's reason down", (*Machine).force},
	{in(StateQueued), onCancel, "it has a rail", (*Machine).hasRail, StateOff, "end: called off", (*Machine).calledOff},
	{in(StateQueued), onCancel, "", nil, StateLost, "end: called off", (*Machine).calledOff},
	{in(StateDraining, StateReady), onCancel, "", nil, StateReady, "end: called off", (*Machine).calledOff},
	{in(StateQueued), onGrant, "", nil, StateStarting, "forget the last boot", (*Machine).begin},
	{in(StateDraining), onProceed, "", nil, same, "note the time", (*Machine).proceed},
	{in(StateHalted), onWitnessed, "the proof is on disk", (*Machine).latchOnDisk, same, "the wiring is tested", (*Machine).wiringSeen},

	// A new coordinator observes. It switches nothing but what a kept record had begun and nothing contradicts.
	{in(StateUnknown), always, "maintenance", (*Machine).inMaintenance, StateMaintenance, "end: in maintenance", (*Machine).endForMaintenance},
	{in(StateUnknown), always, "a fault is kept", (*Machine).faultKept, StateFault, "", nil},
	{in(StateUnknown), always, "a test, or a forced cut of another boot of the master, is kept", (*Machine).taskVoid, same, "end: failed", (*Machine).dropTask},
	{in(StateUnknown), always, "an edge came late that contradicts the proof", (*Machine).latchTorn, same, "void the proof", (*Machine).tearLatch},
	{in(StateUnknown), always, "proof of done", (*Machine).isProved, same, "latch it", (*Machine).latch},
	{in(StateUnknown), always, "rail on, a forced cut is kept", (*Machine).resumesForce, StateCutting, "rail off", (*Machine).cut},
	{in(StateUnknown), always, "a cut had begun, and the rail is off", (*Machine).cutFound, StateCutting, "", (*Machine).railFellEarlier},
	{in(StateUnknown), always, "rail off, but its agent is heard", (*Machine).heardUnfed, StateFault, "rail welded", (*Machine).welded},
	{in(StateUnknown), always, "rail off, line not high, silent; a start is kept", (*Machine).offWithStart, StateQueued, "", nil},
	{in(StateUnknown), always, "rail off, line not high, silent", (*Machine).offFound, StateOff, "end: it lost its power", (*Machine).adoptOff},
	{in(StateUnknown), always, "rail off, but its line stays high", (*Machine).highUnfed, StateFault, "rail welded", (*Machine).welded},
	{in(StateUnknown), always, "heard after the proof", (*Machine).heardAfterLatch, StateReady, "void the proof, end: failed", (*Machine).voidProof},
	{in(StateUnknown), always, "heard in a new boot, a stop was asked", (*Machine).restartedInstead, StateReady, "end: it restarted instead", (*Machine).failRestarted},
	{in(StateUnknown), always, "heard in a new boot, a reboot was asked", (*Machine).rebooted, StateReady, "end: done", (*Machine).doneReboot},
	{in(StateUnknown), always, "heard, it announced a reboot or accepted one", (*Machine).heardRebooting, StateRebooting, "", (*Machine).keepStage},
	{in(StateUnknown), always, "heard, it announced a power-off or accepted one", (*Machine).heardStopping, StateStopping, "", (*Machine).keepStage},
	{in(StateUnknown), always, "heard, a stop or reboot is kept", (*Machine).heardDraining, StateDraining, "", (*Machine).keepStage},
	{in(StateUnknown), always, "heard with a fresh sample", (*Machine).fresh, StateReady, "end: up", (*Machine).up},
	{in(StateUnknown), always, "it is heard", (*Machine).isHeard, StateBooting, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent, a proof of another boot of the master is kept", (*Machine).latchForeign, same, "void the proof", (*Machine).forgetLatch},
	{in(StateUnknown), always, "silent, a proof and a stop are kept", (*Machine).resumesProven, StateProven, "", (*Machine).forgetCut},
	{in(StateUnknown), always, "silent, a proof and a start without a rail are kept", (*Machine).resumesQueued, StateQueued, "", nil},
	{in(StateUnknown), always, "silent, a proof is kept", (*Machine).resumesHalted, StateHalted, "end: halted, still powered", (*Machine).halt},
	{in(StateUnknown), always, "silent, a start is kept", (*Machine).resumesStart, StateStarting, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent, it was stuck", (*Machine).resumesStuck, StateStuck, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent, it was lost", (*Machine).resumesLost, StateLost, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent, a reboot was asked or announced", (*Machine).resumesReboot, StateRebooting, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent, a power-off was asked or announced", (*Machine).resumesStop, StateStopping, "", (*Machine).keepStage},
	{in(StateUnknown), always, "silent for 10 s, and it has neither rail nor line", (*Machine).onlySilent, StateLost, "end: it is not heard", (*Machine).adoptSilent},
	{in(StateUnknown), always, "silent for 10 s", (*Machine).silentFound, StateStarting, "end: it is not heard", (*Machine).adoptSilent},

	// What ends whatever is under way.
	{powered | in(StateFault), always, "a forced cut is on disk", (*Machine).forceOnDisk, StateCutting, "rail off", (*Machine).cut},
	{in(StateProven, StateHalted), always, "its rail went off, and bramble did not do it", (*Machine).railFell, StateCutting, "", (*Machine).adoptFall},
	{powered, always, "its rail went off, and bramble did not do it", (*Machine).railFell, StateCutting, "end: it lost its power", (*Machine).losePower},
	{in(StateOff, StateQueued), always, "its rail went on, and bramble did not do it", (*Machine).railRose, StateStarting, "", (*Machine).adoptRise},
	{in(StateOff, StateQueued), always, "its agent is heard although the rail is off", (*Machine).heardUnfed, StateFault, "rail welded", (*Machine).welded},
	{latched, always, "heard after the proof", (*Machine).heardAfterLatch, StateReady, "void the proof, end: failed", (*Machine).voidProof},
	{latched, always, "an edge came late that contradicts the proof", (*Machine).latchTorn, StateStopping, "void the proof", (*Machine).tearLatch},

	// Starting.
	{in(StateStarting), always, "the start is on disk, off for 5 s", (*Machine).maySwitchOn, same, "rail on", (*Machine).switchOn},
	{in(StateStarting), always, "the rail did not take it, tries are left", (*Machine).railAgain, same, "rail on again", (*Machine).switchAgain},
	{in(StateStarting), always, "the rail did not take it", (*Machine).railGaveUp, StateFault, "rail failed", (*Machine).railFailed},
	{in(StateStarting, StateBooting), always, "fresh sample", (*Machine).fresh, StateReady, "end: up", (*Machine).up},
	{in(StateStarting), always, "it is heard", (*Machine).isHeard, StateBooting, "", nil},
	{in(StateStarting, StateBooting), always, "boot deadline, bramble started it", (*Machine).noBoot, StateFault, "no boot", (*Machine).faultNoBoot},
	{in(StateStarting, StateBooting), always, "boot deadline", (*Machine).bootOver, StateLost, "end: not heard", (*Machine).failNotHeard},

	// Up.
	{in(StateReady), always, "a test is on disk", (*Machine).mayPulse, same, "ask for a pulse", (*Machine).askPulse},
	{in(StateReady), always, "the test is over", (*Machine).pulseOver, same, "end: tested, or why not", (*Machine).judgePulse},
	{in(StateReady, StateBooting), always, "it announced a reboot", (*Machine).announcedReboot, StateRebooting, "", (*Machine).beginStage},
	{in(StateReady, StateBooting), always, "it announced a shutdown", (*Machine).announcedOff, StateStopping, "", (*Machine).beginStage},
	{in(StateReady, StateBooting), always, "it is silent, and its line is high, or it has neither rail nor line", (*Machine).silentHigh, StateLost, "", (*Machine).loseSight},
	{in(StateReady, StateBooting), always, "it is silent", (*Machine).isSilent, StateRebooting, "", (*Machine).markStage},

	// Restarting.
	{in(StateRebooting, StateStopping), always, "it called its shutdown off", (*Machine).shutdownCancelled, StateReady, "end: failed", (*Machine).failCancelled},
	{in(StateRebooting), always, "heard in a new boot, a reboot was asked", (*Machine).rebooted, StateReady, "end: done", (*Machine).doneReboot},
	{in(StateRebooting), always, "it announced a power-off", (*Machine).announcedOff, StateStopping, "end: it powers off instead", (*Machine).offInstead},
	{in(StateRebooting), always, "it is heard, and no restart is awaited", (*Machine).heardNoReboot, StateReady, "", (*Machine).up},
	{in(StateRebooting), always, "boot deadline, still heard", (*Machine).rebootNever, StateReady, "end: it did not restart", (*Machine).failReboot},
	{in(StateRebooting), always, "boot deadline", (*Machine).bootOver, StateLost, "end: not heard", (*Machine).failNotHeard},

	// Asked to stop or to restart.
	{in(StateDraining), always, "heard in a new boot, a stop was asked", (*Machine).restartedInstead, StateReady, "end: it restarted instead", (*Machine).failRestarted},
	{in(StateDraining), always, "heard in a new boot, a reboot was asked", (*Machine).rebooted, StateReady, "end: done", (*Machine).doneReboot},
	{in(StateDraining), always, "it announced a reboot", (*Machine).announcedReboot, StateRebooting, "end: it restarts, if a stop was wanted", (*Machine).rebootInstead},
	{in(StateDraining), always, "it announced a power-off", (*Machine).announcedOff, StateStopping, "end: it powers off, if a reboot was wanted", (*Machine).offAnnounced},
	{in(StateDraining), always, "its agent refused", (*Machine).isRefused, StateReady, "end: failed", (*Machine).failRefused},
	{in(StateDraining), always, "its system accepted the power-off", (*Machine).acceptedStop, StateStopping, "", (*Machine).beginStage},
	{in(StateDraining), always, "its system accepted the reboot", (*Machine).acceptedReboot, StateRebooting, "", (*Machine).beginStage},
	{in(StateDraining), always, "gates open, heard, but its end could not be seen", (*Machine).mayNotAsk, StateReady, "end: failed", (*Machine).failBlind},
	{in(StateDraining), always, "gates open, heard", (*Machine).mayAsk, same, "write that it is asked", (*Machine).writeAsk},
	{in(StateDraining), always, "that it is asked is on disk, heard, no answer is awaited", (*Machine).askDue, same, "ask", (*Machine).ask},
	{in(StateDraining), always, "a reboot was asked, and it is silent", (*Machine).silentReboot, StateRebooting, "", (*Machine).beginStage},
	{in(StateDraining), always, "stop deadline, a reboot was asked", (*Machine).rebootUnanswered, StateReady, "end: failed", (*Machine).failReboot},
	{in(StateDraining), always, "gates open for 30 s, and it is not heard", (*Machine).cannotAsk, StateRebooting, "end: failed", (*Machine).failUnasked},

	// Shutting down.
	{in(StateStopping), always, "heard, and no power-off is announced", (*Machine).isRestarted, StateReady, "end: it restarted instead", (*Machine).failRestarted},
	{in(StateStopping), always, "it announced a reboot", (*Machine).announcedReboot, StateRebooting, "end: it restarts instead", (*Machine).rebootInstead},
	{in(StateHalted), always, "heard, and it had given no proof", (*Machine).heardUnproved, StateReady, "", (*Machine).up},
	{in(StateStuck), always, "heard, and no power-off is announced", (*Machine).isRestarted, StateReady, "end: it restarted instead", (*Machine).failRestarted},
	{in(StateLost), always, "it is heard", (*Machine).isHeard, StateReady, "", (*Machine).up},
	{latchable, always, "proof of done", (*Machine).isProved, same, "latch it", (*Machine).latch},
	{latchable, always, "the proof is on disk, a stop wants the rail off", (*Machine).latchForStop, StateProven, "", (*Machine).proven},
	{latchable, always, "the proof is on disk", (*Machine).latchOnDisk, StateHalted, "end: halted, still powered", (*Machine).halt},
	{in(StateStopping), always, "no rail, no line to wait for, silent for 10 s", (*Machine).silentEnough, StateHalted, "end: halted, still powered", (*Machine).halt},
	{in(StateStopping), always, "stop deadline, still heard, and nobody said that it stays off", (*Machine).stopNever, StateReady, "forget the announcement", (*Machine).forgetAnnounced},
	{in(StateStopping), always, "stop deadline, and nobody said that it stays off", (*Machine).stopUnclear, StateLost, "", (*Machine).beginStage},
	{in(StateStopping, StateDraining), always, "stop deadline", (*Machine).stopOver, StateStuck, "end: no proof in time", (*Machine).stick},

	// The cut. Every row that leads to it has its reason on disk.
	{in(StateProven), always, "the wiring is not tested", (*Machine).wiringUnknown, StateHalted, "end: failed", (*Machine).halt},
	{in(StateProven, StateHalted), always, "the proof is old, and the line does not hold it", (*Machine).proofIsOld, same, "wait for a boot deadline of silence", (*Machine).doubt},
	{in(StateProven, StateHalted), always, "quiet stream, grace over", (*Machine).mayCutProven, same, "write the cut", (*Machine).writeCut},
	{in(StateStuck), always, "cut_stuck_after is over", (*Machine).mayCutStuck, same, "write the cut", (*Machine).writeCutStuck},
	{in(StateLost), always, "fence_lost_after is over", (*Machine).mayFence, same, "write the cut", (*Machine).writeFence},
	{in(StateProven, StateHalted, StateStuck, StateLost), always, "the cut is on disk", (*Machine).cutOnDisk, StateCutting, "rail off", (*Machine).cut},
	{in(StateCutting), always, "its line stays high, or its agent is heard", (*Machine).isWelded, StateFault, "rail welded", (*Machine).welded},
	{in(StateCutting), always, "rail off, line fallen, stream gone", (*Machine).offProved, StateOff, "end: off", (*Machine).off},
	{in(StateCutting), always, "its rail went on, and bramble did not do it", (*Machine).cameBack, StateStarting, "end: failed", (*Machine).adoptRise},
	{in(StateCutting), always, "the rail did not take it, tries are left", (*Machine).railAgain, same, "rail off again", (*Machine).switchAgain},
	{in(StateCutting), always, "the rail did not take it", (*Machine).railGaveUp, StateFault, "rail failed", (*Machine).railFailed},
}
