package coordinator

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// The core's enumerations are cast to those of the contracts, so their values must be the same.
func TestEnumerationsAreThoseOfTheContracts(t *testing.T) {
	words := func(e protoreflect.Enum) string {
		d := e.Descriptor()
		value := string(d.Values().ByNumber(e.Number()).Name())
		zero := string(d.Values().ByNumber(0).Name())
		return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value, strings.TrimSuffix(zero, "UNSPECIFIED")), "_", " "))
	}
	for _, kind := range []core.ReportKind{
		core.ReportPresenceChanged, core.ReportRebooted, core.ReportFlagRaised, core.ReportFlagCleared, core.ReportShutdownAnnounced,
		core.ReportFanModeChanged, core.ReportAlarmRaised, core.ReportAlarmCleared, core.ReportRailChanged,
	} {
		if got := words(coordinatorv1.EventKind(kind)); got != kind.String() {
			t.Errorf("report %q is event %q", kind, got)
		}
	}
	for kind := core.AlarmNodeStale; kind <= core.AlarmTachFailed; kind++ {
		if got := words(coordinatorv1.AlarmKind(kind)); got != strings.ReplaceAll(kind.String(), "-", " ") {
			t.Errorf("alarm %q is %q", kind, got)
		}
	}
	for presence := core.PresenceConnecting; presence <= core.PresenceUnreachable; presence++ {
		if got := words(coordinatorv1.Presence(presence)); got != presence.String() {
			t.Errorf("presence %q is %q", presence, got)
		}
	}
	for mode := core.FanAutomatic; mode <= core.FanFailSafe; mode++ {
		if got := words(coordinatorv1.FanMode(mode)); got != strings.ReplaceAll(mode.String(), "-", " ") {
			t.Errorf("mode %q is %q", mode, got)
		}
	}
	for got, want := range map[protoreflect.Enum]protoreflect.Enum{
		agentv1.SensorKind(core.SensorSoC):           agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE,
		agentv1.SensorKind(core.SensorDrive):         agentv1.SensorKind_SENSOR_KIND_DRIVE_TEMPERATURE,
		agentv1.SensorKind(core.SensorOther):         agentv1.SensorKind_SENSOR_KIND_OTHER_TEMPERATURE,
		agentv1.SensorKind(core.SensorClock):         agentv1.SensorKind_SENSOR_KIND_CPU_CLOCK,
		agentv1.SensorKind(core.SensorLink):          agentv1.SensorKind_SENSOR_KIND_LINK_SPEED,
		agentv1.Flag(core.FlagUnderVoltage):          agentv1.Flag_FLAG_UNDER_VOLTAGE,
		agentv1.Flag(core.FlagFrequencyCapped):       agentv1.Flag_FLAG_FREQUENCY_CAPPED,
		agentv1.Flag(core.FlagThrottled):             agentv1.Flag_FLAG_THROTTLED,
		agentv1.Flag(core.FlagSoftTemperatureLimit):  agentv1.Flag_FLAG_SOFT_TEMPERATURE_LIMIT,
		agentv1.ShutdownKind(core.ShutdownPowerOff):  agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF,
		agentv1.ShutdownKind(core.ShutdownReboot):    agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT,
		agentv1.ShutdownKind(core.ShutdownCancelled): agentv1.ShutdownKind_SHUTDOWN_KIND_CANCELLED,
		coordinatorv1.RailState(core.RailOn):         coordinatorv1.RailState_RAIL_STATE_ON,
		coordinatorv1.RailState(core.RailOff):        coordinatorv1.RailState_RAIL_STATE_OFF,
		coordinatorv1.RailState(core.RailUnknown):    coordinatorv1.RailState_RAIL_STATE_UNKNOWN,
	} {
		if got != want {
			t.Errorf("%s should be %s", words(got), words(want))
		}
	}
}

func TestForeignNumbersAndTextAreTamed(t *testing.T) {
	m := message(&agentv1.WatchResponse{
		AgeMilliseconds: math.MaxUint64,
		Node: &agentv1.Node{
			Name: "a\x1b[2Jb\nc", BootId: strings.Repeat("x", 60_000),
			Sensors: []*agentv1.Sensor{{Id: 1, Name: "s", Kind: agentv1.SensorKind(4711)}, {Id: 2, Kind: -1}},
		},
		FlagEdges: []*agentv1.FlagEdge{{Flag: 257}},
		Readings: []*agentv1.Reading{
			{SensorId: 1}, {SensorId: 2, Value: &agentv1.Reading_Error{}}, {SensorId: 3, Value: &agentv1.Reading_Hertz{Hertz: 600}},
		},
	})
	if m.Age != 24*time.Hour {
		t.Errorf("age %s", m.Age)
	}
	if got := m.Info.Name; got != "a [2Jb c" {
		t.Errorf("name %q", got)
	}
	if got := len(m.Info.BootID); got > 210 {
		t.Errorf("a boot identifier of %d bytes", got)
	}
	if a, b := m.Info.Sensors[0].Kind, m.Info.Sensors[1].Kind; a != core.SensorUnspecified || b != core.SensorUnspecified {
		t.Errorf("kinds %d and %d", a, b)
	}
	if m.Edges[0].Flag != core.FlagUnspecified {
		t.Errorf("flag %d", m.Edges[0].Flag)
	}
	if m.Readings[0].Error == "" || m.Readings[1].Error == "" || !math.IsNaN(m.Readings[2].Celsius) || m.Readings[2].Hertz != 600 {
		t.Errorf("readings %+v", m.Readings)
	}
}

// FuzzMessage: nothing that an agent sends makes the coordinator panic, and what it hands out again can be sent.
func FuzzMessage(f *testing.F) {
	seed, err := proto.Marshal(&agentv1.WatchResponse{
		Sequence: 1, Node: &agentv1.Node{BootId: "1", Sensors: []*agentv1.Sensor{{Id: 1, Name: "cpu", Kind: 1}}},
		Readings:   []*agentv1.Reading{{SensorId: 1, Value: &agentv1.Reading_Celsius{Celsius: 50}}},
		Throttling: &agentv1.Throttling{Source: 1, Flags: []*agentv1.FlagState{{Flag: 1, Active: true, Count: 1}}},
		FlagEdges:  []*agentv1.FlagEdge{{Flag: 1, Active: true, Count: 1}}, ShutdownNotices: []*agentv1.ShutdownNotice{{Kind: 2}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m agentv1.WatchResponse
		if proto.Unmarshal(wire, &m) != nil {
			return
		}
		now := time.Now()
		c, err := core.New(core.Config{Nodes: []core.NodeConfig{{Name: "n", Address: "a"}}, Fans: []core.FanConfig{{Name: "f"}}}, now)
		if err != nil {
			t.Fatal(err)
		}
		c.Step(now, core.Tick{})
		for range 2 {
			c.Step(now, core.StreamOpened{Node: "n"})
			c.Step(now, core.NodeMessage{Node: "n", Message: message(&m)})
			c.Step(now.Add(time.Second), core.Tick{})
			c.Step(now.Add(time.Second), core.StreamClosed{Node: "n"})
		}
		for _, v := range c.Nodes(0) {
			if _, err := proto.Marshal(presentNode(&v, now)); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range c.Alarms() {
			if strings.ContainsAny(a.Message, "\n\x1b") {
				t.Fatalf("alarm %q", a.Message)
			}
		}
	})
}
