package screen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		d           time.Duration
		want, brief string
	}{
		{-time.Second, "0 s", "0 s"},
		{0, "0 s", "0 s"},
		{420 * time.Millisecond, "0.4 s", "0.4 s"},
		{4210 * time.Millisecond, "4.2 s", "4 s"},
		{9949 * time.Millisecond, "9.9 s", "9 s"},
		{9950 * time.Millisecond, "10 s", "9 s"},
		{59400 * time.Millisecond, "59 s", "59 s"},
		{59600 * time.Millisecond, "1 m", "59 s"},
		{185 * time.Second, "3 m 5 s", "3 m"},
		{time.Hour - time.Millisecond, "1 h", "59 m"},
		{2 * time.Hour, "2 h", "2 h"},
		{3*time.Hour + 12*time.Minute + 50*time.Second, "3 h 13 m", "3 h"},
		{24*time.Hour - time.Second, "1 d", "23 h"},
		{53 * time.Hour, "2 d 5 h", "2 d"},
		{milliseconds(1 << 63), "106751 d 23 h", "106751 d"},
	} {
		if got := Duration(c.d); got != c.want {
			t.Errorf("Duration(%v) is %q, not %q", c.d, got, c.want)
		}
		if got := brief(c.d); got != c.brief {
			t.Errorf("brief(%v) is %q, not %q", c.d, got, c.brief)
		}
	}
}

func TestShortBoard(t *testing.T) {
	for model, want := range map[string]string{
		"":                                      "-",
		"Raspberry Pi 4 Model B Rev 1.2":        "Pi 4B",
		"Raspberry Pi 3 Model B Plus Rev 1.3":   "Pi 3B+",
		"Raspberry Pi 3 Model A Plus Rev 1.0":   "Pi 3A+",
		"Raspberry Pi Model B Plus Rev 1.2":     "Pi B+",
		"Raspberry Pi Model B Rev 2":            "Pi B",
		"Raspberry Pi Zero 2 W Rev 1.0":         "Pi Zero 2 W",
		"Raspberry Pi Compute Module 4 Rev 1.1": "Pi CM 4",
		"Raspberry Pi 400 Rev 1.0":              "Pi 400",
		"Raspberry Pi":                          "Pi",
		"Pine64 Rock64":                         "Pine64 Rock64",
	} {
		if got := shortBoard(&agentv1.Board{Model: model}); got != want {
			t.Errorf("%q is %q, not %q", model, got, want)
		}
	}
}

func TestColumns(t *testing.T) {
	rows := func() [][]cell {
		return [][]cell{
			{{text: "a"}, {text: "1", right: true}, {text: "the quick brown fox jumps over the lazy dog"}},
			{{text: "worker"}, {text: "120", right: true}, {text: "short", style: red}},
			{{text: "b"}, {text: "a row with fewer cells"}},
			{{text: "c"}, {text: "", right: true}, {text: ""}},
		}
	}
	for _, c := range []struct {
		screen Screen
		want   string
	}{
		{Screen{}, `
a         1  the quick brown fox jumps over the lazy dog
worker  120  short
b       a row with fewer cells
c
`},
		{Screen{Width: 40}, `
a         1  the quick brown fox jumps
             over the lazy dog
worker  120  short
b       a row with fewer cells
c
`},
		{Screen{Width: 24}, `
a         1
    the quick brown fox
    jumps over the lazy
    dog
worker  120  short
b       a row with fewer
        cells
c
`},
		{Screen{Colour: true}, `
a         1  the quick brown fox jumps over the lazy dog
worker  120  ` + "\x1b[31mshort\x1b[0m" + `
b       a row with fewer cells
c
`},
	} {
		if got := "\n" + c.screen.columns(rows()); got != c.want {
			t.Errorf("%+v:%s\nwant:%s", c.screen, got, c.want)
		}
	}
}

// What other machines say cannot move the cursor, whatever it is printed as.
func TestPrintable(t *testing.T) {
	evil := "a\x1b[2Jb\r\n\u009bc\u202ed"
	node := &coordinatorv1.Node{Name: evil, Address: evil, PresenceReason: evil, AgentVersion: evil, BootId: evil,
		Board:        &agentv1.Board{Model: evil, Kernel: evil},
		Measurements: []*coordinatorv1.Measurement{{Sensor: evil, Value: &coordinatorv1.Measurement_Error{Error: evil}}},
		Capabilities: []*agentv1.Capability{{Source: evil, Detail: evil}},
	}
	fan := &coordinatorv1.Fan{Name: evil, Reason: evil, TachError: evil, WriteError: evil, Lead: &coordinatorv1.FanLead{Node: evil, Sensor: evil}, Nodes: []string{evil}}
	whole := &coordinatorv1.GetCaseResponse{Name: evil, Version: evil, Fans: []*coordinatorv1.Fan{fan},
		Alarms: []*coordinatorv1.Alarm{{Subject: evil, Message: evil}}}
	s := Screen{}
	var log Log
	var text strings.Builder
	text.WriteString(s.Nodes([]*coordinatorv1.Node{node}) + s.Node(node) + s.Fans(whole.GetFans()) + s.FanSet(fan) + s.Status(whole, []*coordinatorv1.Node{node}))
	for _, n := range log.Take(&coordinatorv1.WatchResponse{Case: whole, Nodes: []*coordinatorv1.Node{node}}, time.Time{}) {
		text.WriteString(s.Notice(n, log.SubjectWidth()))
	}
	if i := strings.IndexAny(text.String(), "\x1b\r\u009b\u202e"); i >= 0 {
		t.Errorf("a control character in %q", text.String()[max(0, i-40):i+10])
	}
}

// A disk that can be read does not cover up a processor that cannot.
func TestHeatIsHonest(t *testing.T) {
	disk := &coordinatorv1.Measurement{Sensor: "nvme", Kind: agentv1.SensorKind_SENSOR_KIND_DRIVE_TEMPERATURE, LimitCelsius: 70,
		Value: &coordinatorv1.Measurement_Celsius{Celsius: 66}}
	processor := &coordinatorv1.Measurement{Sensor: "cpu-thermal", Kind: agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE, LimitCelsius: 80,
		Value: &coordinatorv1.Measurement_Celsius{Celsius: 70}}
	broken := &coordinatorv1.Measurement{Sensor: "cpu-thermal", Kind: agentv1.SensorKind_SENSOR_KIND_SOC_TEMPERATURE,
		Value: &coordinatorv1.Measurement_Error{Error: "input/output error"}}
	unlimited := &coordinatorv1.Measurement{Sensor: "acpi", Kind: agentv1.SensorKind_SENSOR_KIND_OTHER_TEMPERATURE,
		Value: &coordinatorv1.Measurement_Celsius{Celsius: 90}}
	for _, c := range []struct {
		what                string
		measurements        []*coordinatorv1.Measurement
		temperature, margin string
	}{
		{"the smallest margin counts, not the highest value", []*coordinatorv1.Measurement{processor, disk, unlimited}, "66.0 C", "4.0 K"},
		{"without any limit the highest value", []*coordinatorv1.Measurement{unlimited}, "90.0 C", "-"},
		{"broken processor", []*coordinatorv1.Measurement{disk, broken}, "failed", "-"},
		{"nothing", nil, "-", "-"},
	} {
		temperature, margin := heat(&coordinatorv1.Node{Measurements: c.measurements})
		if temperature.text != c.temperature || margin.text != c.margin {
			t.Errorf("%s: %s, %s", c.what, temperature.text, margin.text)
		}
	}
}

// What a node said before it went silent is not the case's hottest now.
func TestHottestIsNow(t *testing.T) {
	node := func(name string, p coordinatorv1.Presence, celsius float32) *coordinatorv1.Node {
		return &coordinatorv1.Node{Name: name, Presence: p, Measurements: []*coordinatorv1.Measurement{{Sensor: "cpu", LimitCelsius: 80,
			Value: &coordinatorv1.Measurement_Celsius{Celsius: celsius}}}}
	}
	gone := node("gone", coordinatorv1.Presence_PRESENCE_UNREACHABLE, 79)
	stale := node("stale", coordinatorv1.Presence_PRESENCE_STALE, 60)
	live := node("live", coordinatorv1.Presence_PRESENCE_LIVE, 50)
	if got, want := hottest([]*coordinatorv1.Node{gone, stale, live}).text, "stale cpu: 60.0 C, 20.0 K under its limit of 80.0 C"; got != want {
		t.Errorf("hottest is %q, not %q", got, want)
	}
	if got := hottest([]*coordinatorv1.Node{gone}).text; got != none {
		t.Errorf("hottest of a node that is gone is %q", got)
	}
}

func TestFanSpeed(t *testing.T) {
	for _, c := range []struct {
		fan        *coordinatorv1.Fan
		long, line string
	}{
		{&coordinatorv1.Fan{}, "unsupported: no tach", "no tach"},
		{&coordinatorv1.Fan{ExpectedRpm: new(2000.0)}, "not measured yet, expected 2000 rpm", "no speed yet"},
		{&coordinatorv1.Fan{ExpectedRpm: new(2000.0), TachError: "no such device"}, "failed: no such device, expected 2000 rpm", "speed unknown"},
		{&coordinatorv1.Fan{ExpectedRpm: new(2000.0), Rpm: new(1990.4)}, "1990 rpm, expected 2000 rpm", "1990 rpm"},
		{&coordinatorv1.Fan{ExpectedRpm: new(2000.0), Rpm: new(0.0), Stalled: true}, "0 rpm, expected 2000 rpm: STALLED", "STALLED at 0 rpm"},
	} {
		if long, line := speed(c.fan).text, turns(c.fan); long != c.long || line != c.line {
			t.Errorf("%v is %q and %q", c.fan, long, line)
		}
	}
}

// What the coordinator says in whole sentences is not said twice on a line.
func TestSaidOnce(t *testing.T) {
	for _, c := range []struct{ subject, message, want string }{
		{"worker-1", "worker-1 is live", "is live"},
		{"worker-1", "worker-1: node stale ended", "node stale ended"},
		{"worker-1", "worker-1/cpu-thermal could not be read", "cpu-thermal could not be read"},
		{"worker-1", "worker-1's supply is low", "supply is low"},
		{"worker-1", "worker-12 is live", "worker-12 is live"},
		{"", " is live", " is live"},
	} {
		if got := about(c.subject, c.message); got != c.want {
			t.Errorf("about %q: %q is %q", c.subject, c.message, got)
		}
	}
	for reason, want := range map[string]string{
		"40 % override: zero leads: 54 C": "zero leads: 54 C",
		"a kernel driver: only read":      "a kernel driver: only read",
		"stalled":                         "stalled",
		"":                                "",
	} {
		if got := why(&coordinatorv1.Fan{Reason: reason}); got != want {
			t.Errorf("%q is %q", reason, got)
		}
	}
}

// However many alarms there are, the status stays under twenty lines.
func TestStatusIsShort(t *testing.T) {
	whole := &coordinatorv1.GetCaseResponse{Name: "rack"}
	for range 200 {
		whole.Fans = append(whole.Fans, &coordinatorv1.Fan{Name: "fan"})
		whole.Alarms = append(whole.Alarms, &coordinatorv1.Alarm{Subject: "worker", Message: strings.Repeat("very long ", 12)})
	}
	for _, width := range []int{0, 60, 80, 200} {
		text := Screen{Width: width}.Status(whole, nil)
		if lines := strings.Count(text, "\n"); lines >= 20 || lines < 12 || !strings.Contains(text, "more: bramblectl status -o json") {
			t.Errorf("%d columns: %d lines:\n%s", width, lines, text)
		}
	}
}

// TestLiveShowsWhatIsDone breaks everything at once on the smallest usual screen: the fan and the alarms stay on it.
func TestLiveShowsWhatIsDone(t *testing.T) {
	var nodes []*coordinatorv1.Node
	of := &coordinatorv1.GetCaseResponse{Fans: []*coordinatorv1.Fan{{
		Name: "rear", DutyFraction: new(1.0), Mode: coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE, Reason: strings.Repeat("a long reason ", 8),
	}}}
	for i := range 5 {
		name := fmt.Sprintf("worker-%d", i+1)
		nodes = append(nodes, &coordinatorv1.Node{Name: name, Presence: coordinatorv1.Presence_PRESENCE_STALE, Throttling: &agentv1.Throttling{
			Source: agentv1.ThrottlingSource_THROTTLING_SOURCE_VCIO,
			Flags: []*agentv1.FlagState{
				{Flag: agentv1.Flag_FLAG_UNDER_VOLTAGE, Active: true, Count: 3}, {Flag: agentv1.Flag_FLAG_THROTTLED, Active: true, Count: 3},
				{Flag: agentv1.Flag_FLAG_FREQUENCY_CAPPED, Count: 4}, {Flag: agentv1.Flag_FLAG_SOFT_TEMPERATURE_LIMIT, Count: 5},
			},
		}})
		of.Alarms = append(of.Alarms, &coordinatorv1.Alarm{Subject: name, Message: strings.Repeat("what to do about it ", 6)})
	}
	text := Screen{Width: 80}.Live(of, nodes, 18)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > 18 {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	for i, name := range []string{"worker-1", "worker-2", "worker-3", "worker-4", "worker-5"} {
		if !strings.HasPrefix(lines[i+1], name) {
			t.Errorf("line %d is not %s's alone: %s", i+1, name, lines[i+1])
		}
	}
	for _, want := range []string{"fan rear", "fail-safe", "alarms", "what to do about it", "more"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
}
