package sim

import (
	"fmt"
	"strings"
)

// FaultKind is something that can break. The zero value is no fault.
type FaultKind int

const (
	NoFault FaultKind = iota

	// Of the fan, the room and the supply.
	FaultStalledFan // the fan's rotor is blocked
	FaultLostTach   // the tach's wire is off: 0 rpm, whatever the fan does
	FaultFailedTach // reading the tach is an error
	FaultNoisyTach  // the tach reads up to 60 % too much
	FaultFailedPWM  // setting the duty is an error; the fan keeps its duty
	FaultHotRoom    // the room heats up to Value, in C; default 35
	FaultSupplySag  // the supply loses Value, in V; default 0.6

	// Of a board, its sensor, its shutdown and its done line.
	FaultSilentAgent   // the agent does not answer
	FaultFrozenSensor  // the sensor repeats its last reading
	FaultFailedSensor  // reading the sensor is an error
	FaultHungShutdown  // a shutdown does not end
	FaultDoneStuckHigh // the done line is high, whatever the board does
	FaultDoneStuckLow  // the done line is low, whatever the board does

	// More of a done line. What is said of edges is how the master's pin sees
	// them.
	FaultDoneInverted // the board drives the line low for done, and high while it runs
	FaultDoneSwapped  // two boards' lines, Board's and Other's, are in each other's place
	FaultDoneGlitches // the line shows the wrong level for 1, 50 or 100 ms, about every Value seconds; default 5
	FaultDoneBouncing // every edge is followed by up to six more within 12 ms
	FaultDoneFloating // the wire is off and nothing pulls at the pin: its level changes at random, 1 ms to 2 s apart
	FaultDoneReleased // the line falls when the board has halted, though the helper meant to hold it

	// More of a board's boots and shutdowns.
	FaultNoBoot         // a boot ends before the kernel starts, as without a card
	FaultSlowShutdown   // a shutdown takes Value seconds longer, after the agent has gone; default 60
	FaultWatchdogReset  // a shutdown hangs, and Value seconds later the watchdog resets the board; default 120
	FaultRebootsInstead // a power-off ends in a boot

	// More of a board's agent. A dead one refuses connections, a silent one
	// accepts them and says nothing.
	FaultDeadAgent          // there is no agent; shutdowns are not announced
	FaultAgentDiesAnnounced // the agent dies when it has announced a shutdown, which goes on
	FaultAgentDiesBefore    // the agent dies before it can announce a shutdown, which goes on
	FaultRefusedPowerOff    // the system refuses what the agent asks of it; people at the board may

	// Of a board's rail.
	FaultRailWelded     // cutting the rail leaves the board with power, and the line reads off
	FaultRailDead       // switching the rail on gives no power, and the line reads on
	FaultRailStuck      // setting the rail changes nothing and is no error; the line reads as it was
	FaultFailedRail     // setting the rail is an error and changes nothing
	FaultUnreadableRail // reading the rail's level is an error

	numFaultKinds
)

// faultSpec says what a kind of fault needs.
type faultSpec struct {
	name               string
	of                 faultPlace
	value, least, most float64
}

// faultPlace is the part that a fault is in.
type faultPlace int

const (
	ofCase faultPlace = iota
	ofFan
	ofBoard
	ofLine
	ofPair // of two lines
	ofRail
)

func (k FaultKind) spec() faultSpec {
	return [numFaultKinds]faultSpec{
		NoFault:                 {name: "none"},
		FaultStalledFan:         {name: "stalled-fan", of: ofFan},
		FaultLostTach:           {name: "lost-tach", of: ofFan},
		FaultFailedTach:         {name: "failed-tach", of: ofFan},
		FaultNoisyTach:          {name: "noisy-tach", of: ofFan},
		FaultFailedPWM:          {name: "failed-pwm", of: ofFan},
		FaultHotRoom:            {name: "hot-room", value: 35, least: minAmbient, most: maxAmbient},
		FaultSupplySag:          {name: "supply-sag", value: sagDefaultVolt, most: supplyVolts},
		FaultSilentAgent:        {name: "silent-agent", of: ofBoard},
		FaultFrozenSensor:       {name: "frozen-sensor", of: ofBoard},
		FaultFailedSensor:       {name: "failed-sensor", of: ofBoard},
		FaultHungShutdown:       {name: "hung-shutdown", of: ofBoard},
		FaultDoneStuckHigh:      {name: "done-stuck-high", of: ofLine},
		FaultDoneStuckLow:       {name: "done-stuck-low", of: ofLine},
		FaultDoneInverted:       {name: "done-inverted", of: ofLine},
		FaultDoneSwapped:        {name: "done-swapped", of: ofPair},
		FaultDoneGlitches:       {name: "done-glitches", of: ofLine, value: 5, least: 0.2, most: 3600},
		FaultDoneBouncing:       {name: "done-bouncing", of: ofLine},
		FaultDoneFloating:       {name: "done-floating", of: ofLine},
		FaultDoneReleased:       {name: "done-released", of: ofLine},
		FaultNoBoot:             {name: "no-boot", of: ofBoard},
		FaultSlowShutdown:       {name: "slow-shutdown", of: ofBoard, value: 60, least: 1, most: 3600},
		FaultWatchdogReset:      {name: "watchdog-reset", of: ofBoard, value: 120, least: 1, most: 3600},
		FaultRebootsInstead:     {name: "reboots-instead", of: ofBoard},
		FaultDeadAgent:          {name: "dead-agent", of: ofBoard},
		FaultAgentDiesAnnounced: {name: "agent-dies-announced", of: ofBoard},
		FaultAgentDiesBefore:    {name: "agent-dies-before", of: ofBoard},
		FaultRefusedPowerOff:    {name: "refused-poweroff", of: ofBoard},
		FaultRailWelded:         {name: "rail-welded", of: ofRail},
		FaultRailDead:           {name: "rail-dead", of: ofRail},
		FaultRailStuck:          {name: "rail-stuck", of: ofRail},
		FaultFailedRail:         {name: "failed-rail", of: ofRail},
		FaultUnreadableRail:     {name: "unreadable-rail", of: ofRail},
	}[k]
}

// FaultKinds returns every kind of fault.
func FaultKinds() []FaultKind {
	kinds := make([]FaultKind, 0, numFaultKinds)
	for k := NoFault + 1; k < numFaultKinds; k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// String returns the fault's name, such as silent-agent; "none" for no fault.
func (k FaultKind) String() string {
	if k < 0 || k >= numFaultKinds {
		return fmt.Sprintf("fault(%d)", int(k))
	}
	return k.spec().name
}

// OfBoard says whether the fault is one board's, so that a Fault needs a Board.
func (k FaultKind) OfBoard() bool {
	return k > NoFault && k < numFaultKinds && k.spec().of >= ofBoard
}

// ParseFaultKind returns the fault with a name. An unknown name is an error that
// lists the known ones.
func ParseFaultKind(name string) (FaultKind, error) {
	kinds := FaultKinds()
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
		if names[i] == name {
			return k, nil
		}
	}
	return NoFault, fmt.Errorf("fault %q is unknown: use one of %s", name, strings.Join(names, ", "))
}

// MarshalText returns the fault's name, so that faults can stand in files.
func (k FaultKind) MarshalText() ([]byte, error) {
	if k < 0 || k >= numFaultKinds {
		return nil, fmt.Errorf("fault %d is unknown", int(k))
	}
	return []byte(k.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *FaultKind) UnmarshalText(text []byte) error {
	if string(text) == NoFault.String() {
		*k = NoFault
		return nil
	}
	kind, err := ParseFaultKind(string(text))
	if err != nil {
		return err
	}
	*k = kind
	return nil
}
