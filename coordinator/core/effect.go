package core

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Effect is one thing for the shell to do: one of the types of this file that say so.
type Effect interface{ effect() }

// Connect asks for a stream of a node. There is never more than one of a node under way.
type Connect struct {
	Node string
	// After is how long to wait before dialling.
	After time.Duration
}

// Disconnect asks for an end of what a Connect began. StreamClosed follows.
type Disconnect struct {
	Node   string
	Reason string
}

// WriteDuty asks for a fan's duty, a fraction. FanWritten follows.
type WriteDuty struct {
	Fan      string
	Fraction float64
}

// Publish is for every subscriber, in this order, none lost.
type Publish struct{ Report Report }

// Refuse is the answer to a SetFan, or to a request with a Ticket, that changed nothing. Err is an ErrNotFound,
// ErrInvalid, ErrReadOnly, ErrForbidden, ErrSupply, ErrBusy or ErrStore; the last may say that what was asked holds, but is
// not on disk yet, where it was no Request.
type Refuse struct {
	// Ticket is that of the request; 0 for a SetFan.
	Ticket uint64
	Err    error
}

func (Connect) effect()    {}
func (Disconnect) effect() {}
func (WriteDuty) effect()  {}
func (Publish) effect()    {}
func (Refuse) effect()     {}

// Report is one numbered thing that happened.
type Report struct {
	// Number is from 1 up since the start, without a gap; 0 for one that an earlier run of the coordinator left.
	Number uint64
	Kind   ReportKind
	// Subject is the node or fan it happened to, or "store"; empty where it is about an operation as a whole.
	Subject string
	// Message is what happened, in one line.
	Message string
	// At is when, by the clock of Step.
	At time.Time
	// Alarm is the alarm's kind; unspecified for other reports.
	Alarm AlarmKind
	// Sensor is the alarm's sensor; empty where it is about none.
	Sensor string
	// Flag is the flag; unspecified for other reports.
	Flag Flag
	// Shutdown is what was announced, a cancellation included; unspecified for other reports.
	Shutdown ShutdownKind
	// Operation is the operation's identifier; empty for other reports.
	Operation string
	// Power is what the node's power does now; unspecified for other reports.
	Power power.State
}

// ReportKind says what happened. The values are those of bramble.coordinator.v1.EventKind.
type ReportKind uint8

// The kinds of reports.
const (
	ReportUnspecified ReportKind = iota
	ReportPresenceChanged
	ReportRebooted
	ReportFlagRaised
	ReportFlagCleared
	ReportShutdownAnnounced
	ReportFanModeChanged
	ReportAlarmRaised
	ReportAlarmCleared
	ReportRailChanged
	ReportPowerChanged
	ReportOperation
	ReportPerson // a person overruled, maintained, cleared or acknowledged something
)

// String is the kind in a few words.
func (k ReportKind) String() string {
	return word(int(k), "unspecified", "presence changed", "rebooted", "flag raised", "flag cleared", "shutdown announced",
		"fan mode changed", "alarm raised", "alarm cleared", "rail changed", "power changed", "operation", "person")
}

// AlarmKind says what is wrong. The values are those of bramble.coordinator.v1.
type AlarmKind uint8

// The kinds of alarms.
const (
	AlarmUnspecified AlarmKind = iota
	AlarmNodeStale
	AlarmNodeUnreachable
	AlarmSensorFailed
	AlarmSensorFrozen
	AlarmOverLimit
	AlarmUnderVoltage
	AlarmFanStalled
	AlarmFanWriteFailed
	AlarmTachFailed
	AlarmStuck          // told to stop, and no proof in time
	AlarmPowerFault     // a fault that a person must clear
	AlarmDoneLineHigh   // the done line is high although the node is up
	AlarmWireUnreadable // rail or done line
	AlarmRailMoved      // and bramble did not do it
	AlarmStore          // the memory on disk cannot be written, or was damaged
)

// String is the kind in a few words.
func (k AlarmKind) String() string {
	return word(int(k), "unspecified", "node stale", "node unreachable", "sensor failed", "sensor frozen", "over limit",
		"under-voltage", "fan stalled", "fan write failed", "tach failed", "stuck", "power fault", "done line high", "wire unreadable", "rail moved", "store")
}

// Alarm is one thing that is wrong now.
type Alarm struct {
	Kind AlarmKind
	// Subject is the node or fan it is about, or "store"; Sensor is the sensor where it is about one.
	Subject, Sensor string
	// Message is what, why and what to do, in one line, as it was when the alarm was raised.
	Message string
	// Since is when it was raised, by the clock of Step.
	Since time.Time
}

func word(i int, words ...string) string {
	if i < len(words) {
		return words[i]
	}
	return fmt.Sprintf("unknown %d", i)
}
