package power

import "fmt"

// State is what a node's power does. The values are those of bramble.coordinator.v1.PowerState.
type State uint8

// The states.
const (
	StateUnspecified State = iota
	StateUnknown           // not observed yet
	StateOff               // the rail is off, and off was proved where a line can prove it
	StateQueued            // waits for a Grant
	StateStarting          // the rail is on, and nothing was heard yet
	StateBooting           // the agent was heard, and sent no fresh sample yet
	StateReady             // up
	StateRebooting         // announced, or the line is low and the stream lost; never cut
	StateDraining          // told to stop: waits for gates, then for its agent to accept
	StateStopping          // the system accepted the power-off, or announced one by itself
	StateProven            // the proof is latched on disk
	StateCutting           // the cut is on disk and under way; off is not proved yet
	StateHalted            // proof without a request of ours, or without a rail to cut
	StateStuck             // told to stop, and no proof in time; the rail is left on
	StateLost              // power, no stream, no proof
	StateMaintenance       // shown, never switched
	StateFault             // something is broken until a person clears it
	states
)

// String is the state in a word, as in bramblectl.
func (s State) String() string {
	return word(int(s), "unspecified", "unknown", "off", "queued", "starting", "booting", "ready", "rebooting", "draining",
		"stopping", "proven", "cutting", "halted", "stuck", "lost", "maintenance", "fault")
}

// Fault is what is broken about a node's power. The values are those of bramble.coordinator.v1.PowerFault.
type Fault uint8

// The faults.
const (
	FaultNone       Fault = iota
	FaultNoBoot           // nothing was heard within the boot deadline; the rail is left on
	FaultRailWelded       // the line stayed high, or the agent is heard, although the rail was cut
	FaultRailFailed       // the rail could not be switched, or does not read as written
)

// String is the fault in a few words.
func (f Fault) String() string {
	return word(int(f), "none", "no boot", "rail welded", "rail failed")
}

// Level is the level of a done line. The values are those of bramble.coordinator.v1.LineLevel.
type Level uint8

// The levels.
const (
	LevelNone Level = iota // the node has no done line
	LevelLow
	LevelHigh
	LevelUnknown // not seen yet, or not readable
)

// String is the level in a word.
func (l Level) String() string { return word(int(l), "none", "low", "high", "unknown") }

// Wiring says whether a node's done line is known to be its own. The values are those of bramble.coordinator.v1.Wiring.
type Wiring uint8

// The kinds of knowledge.
const (
	WiringNone     Wiring = iota // the node has no done line
	WiringUntested               // a cut needs Config.TrustWiring
	WiringTested                 // a test or an observed power-off has shown it
	WiringTrusted                // the configuration says so
)

// String is the knowledge in a word.
func (w Wiring) String() string { return word(int(w), "none", "untested", "tested", "trusted") }

// String is who raises the line.
func (m Mechanism) String() string { return word(int(m), "nobody", "overlay", "helper") }

// String is what a task does.
func (k TaskKind) String() string {
	return word(int(k), "nothing", "start", "stop", "reboot", "forced cut", "wiring test")
}

func word(i int, words ...string) string {
	if i < len(words) {
		return words[i]
	}
	return fmt.Sprintf("unknown %d", i)
}
