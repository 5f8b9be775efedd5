package core

import (
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Event is one thing that happened outside: one of the types of this file that say so.
type Event interface{ event() }

// Tick is the control tick, once every Interval, after the hardware was read.
type Tick struct{}

// Wake says that the time of Core.Next has come.
type Wake struct{}

// StreamOpened says that a dialled node accepted the stream.
type StreamOpened struct{ Node string }

// StreamClosed says that a Connect has come to its end, whether it ever got through or not.
type StreamClosed struct {
	Node string
	// Reason is why, in one line for a person; empty when nothing was wrong.
	Reason string
}

// NodeMessage is one message of a node's stream.
type NodeMessage struct {
	Node    string
	Message Message
}

// FanMeasured is a fan's speed. Err is not nil when it could not be read.
type FanMeasured struct {
	Fan string
	RPM float64
	Err error
}

// FanWritten is what became of the last WriteDuty of a fan.
type FanWritten struct {
	Fan string
	Err error
}

// RailObserved is the state of a node's rail. Err is not nil when it could not be read; an errors.ErrUnsupported says that
// it never can, which is no report of its own.
type RailObserved struct {
	Node string
	On   bool
	Err  error
}

// SetFan is a person's wish. The empty name means the only fan.
type SetFan struct {
	Fan string
	FanSetting
}

// FanSetting holds a duty for a while, or gives the fan back.
type FanSetting struct {
	// Automatic gives the fan back to the controller; the other fields are then ignored.
	Automatic bool
	// Duty to hold: 0 where the fan may stop, otherwise from its minimum duty to 1.
	Duty float64
	// Hold is for how long, 1 s to 24 h.
	Hold time.Duration
}

func (Tick) event()         {}
func (Wake) event()         {}
func (StreamOpened) event() {}
func (StreamClosed) event() {}
func (NodeMessage) event()  {}
func (FanMeasured) event()  {}
func (FanWritten) event()   {}
func (RailObserved) event() {}
func (SetFan) event()       {}

// Message is what a node said. A part that is nil has not changed. The first message of a stream has them all.
type Message struct {
	// Sequence is 1 in a stream's first message, then one more in each.
	Sequence uint64
	// Sample is the number of the newest sample since the agent started.
	Sample uint64
	// Age of that sample when the message arrives. Less than 0 counts as 0.
	Age time.Duration
	// Info says who speaks. With it, the readings are those of every sensor.
	Info       *NodeInfo
	Readings   []Reading
	Throttling *Throttling
	// Edges are the flags that rose or fell, in order.
	Edges   []FlagEdge
	Notices []ShutdownNotice
}

// NodeInfo is who speaks and what the board has. Step keeps it: do not change it afterwards.
type NodeInfo struct {
	Name, BootID, AgentVersion string
	Uptime                     time.Duration
	Board                      Board
	Sensors                    []Sensor
	Capabilities               []Capability
	// DoneSignal is how the board shows the end of a power-off; nil where its agent does not say.
	DoneSignal *DoneSignal
}

// DoneSignal is how a node shows the end of a power-off, as its agent reports it.
type DoneSignal struct {
	Mechanism power.Mechanism
	// Chip and Line are the line on the node's board.
	Chip string
	Line uint32
	// ActiveLow says that the line is low when the signal is given.
	ActiveLow bool
	// ActiveDelay, InactiveDelay and Timeout are the overlay's; 0 for the helper.
	ActiveDelay, InactiveDelay, Timeout time.Duration
	// Error is why the signal would not be given, and what to do; empty when it is usable.
	Error string
}

// Board describes hardware and operating system; what is not known is empty.
type Board struct {
	Model        string
	Compatible   []string
	RevisionCode uint32
	Architecture string
	Distribution string
	Kernel       string
	// LimitCelsius is where this kind of board starts to slow down; 0 when unknown.
	LimitCelsius float64
}

// Sensor is one thing that a node measures.
type Sensor struct {
	// ID is what the readings of this stream refer to.
	ID   uint32
	Name string
	Kind SensorKind
	// Source is where the agent reads it.
	Source string
	// LimitCelsius is the sensor's own limit; 0 when none is known.
	LimitCelsius float64
}

// SensorKind says what a sensor measures. The values are those of bramble.agent.v1.
type SensorKind uint8

// The kinds of sensors.
const (
	SensorUnspecified SensorKind = iota
	SensorSoC                    // the processor's temperature
	SensorDrive                  // a disk's temperature
	SensorOther                  // any other temperature
	SensorClock                  // the processor's clock, in hertz
	SensorLink                   // a wired link's speed, in megabits per second
)

// Temperature reports whether readings of this kind are in celsius.
func (k SensorKind) Temperature() bool { return k >= SensorSoC && k <= SensorOther }

// Reading is one sensor's newest value, in the field of its kind.
type Reading struct {
	SensorID uint32
	// Celsius is NaN where the node sent a value of another kind.
	Celsius           float64
	Hertz             uint64
	MegabitsPerSecond uint32
	// Error is why there is no value; empty when there is one.
	Error string
}

// Flag is one condition of the firmware's throttling word. The values are those of bramble.agent.v1.
type Flag uint8

// The flags.
const (
	FlagUnspecified Flag = iota
	FlagUnderVoltage
	FlagFrequencyCapped
	FlagThrottled
	FlagSoftTemperatureLimit
	flags = iota
)

// String is the flag in a few words.
func (f Flag) String() string {
	return word(int(f), "unspecified flag", "under-voltage", "frequency cap", "throttling", "soft temperature limit")
}

// ThrottlingSource is where the flags come from. The values are those of bramble.agent.v1; 0 is nowhere.
type ThrottlingSource uint8

// Throttling is the state of the flags that a board can tell.
type Throttling struct {
	Source ThrottlingSource
	Flags  []FlagState
	// Error is why the last read failed; the flags are then the last known ones.
	Error string
}

// FlagState is one flag now, and how often it rose in this boot.
type FlagState struct {
	Flag   Flag
	Active bool
	Count  uint64
}

// FlagEdge is one rise or fall of a flag.
type FlagEdge struct {
	Flag   Flag
	Active bool
	// Count is how often the flag rose in this boot, this rise included.
	Count uint64
	Age   time.Duration
}

// ShutdownKind says how a node goes down. The values are those of bramble.agent.v1.
type ShutdownKind uint8

// The kinds of shutdowns.
const (
	ShutdownUnspecified ShutdownKind = iota // in a notice: the system did not say which
	ShutdownPowerOff
	ShutdownReboot
	ShutdownCancelled
)

// ShutdownNotice says that a node is about to go down.
type ShutdownNotice struct {
	Kind ShutdownKind
	Age  time.Duration
}

// CapabilityKind and CapabilityState have the values of bramble.agent.v1.
type (
	CapabilityKind  uint8
	CapabilityState uint8
)

// Capability is one thing that a board offers, or not.
type Capability struct {
	Kind           CapabilityKind
	State          CapabilityState
	Source, Detail string
}
