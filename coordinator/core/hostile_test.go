package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/fan"
)

// hears is a core of one node, and what speaks as that: each call is a whole stream of these messages.
func hears(t *testing.T, fans ...core.FanConfig) (*core.Core, func(...core.Message) []core.Effect) {
	now := time.Now()
	c, err := core.New(core.Config{Nodes: []core.NodeConfig{{Name: "n", Address: "a"}}, Fans: fans}, now)
	if err != nil {
		t.Fatal(err)
	}
	return c, func(messages ...core.Message) (last []core.Effect) {
		c.Step(now, core.StreamClosed{Node: "n"})
		c.Step(now, core.StreamOpened{Node: "n"})
		for i, m := range messages {
			m.Sequence = uint64(i + 1)
			if i == 0 && m.Info == nil {
				m.Info = &core.NodeInfo{Name: "n", BootID: "1"}
			}
			last = c.Step(now, core.NodeMessage{Node: "n", Message: m})
		}
		return last
	}
}

// An agent that calls its processor's sensor anew in each stream makes nothing grow.
func TestVanishedSensorsAreBounded(t *testing.T) {
	for _, fans := range [][]core.FanConfig{nil, {{Name: "main"}}} {
		c, stream := hears(t, fans...)
		for i := range 1000 {
			stream(core.Message{
				Info:     &core.NodeInfo{Name: "n", BootID: "1", Sensors: []core.Sensor{{ID: uint32(i + 1), Name: fmt.Sprint(i), Kind: core.SensorSoC}}},
				Readings: []core.Reading{{SensorID: uint32(i + 1), Celsius: 50}},
			}, core.Message{Readings: []core.Reading{{SensorID: uint32(i), Celsius: 40}}}) // of the one before
		}
		want := 1 // where no fan follows it, nobody misses it
		if fans != nil {
			want = 256
		}
		got := c.Nodes(0)[0].Measurements
		if len(got) != want || len(c.Alarms()) != want-1 {
			t.Errorf("%d sensors and %d alarms, want %d and %d", len(got), len(c.Alarms()), want, want-1)
		}
		for _, m := range got[1:] {
			if m.Reading.Error != "the agent no longer lists it" {
				t.Fatalf("%s is not listed and reads %+v", m.Sensor, m.Reading)
			}
		}
	}
}

func TestFloodOfNoticesEndsTheStream(t *testing.T) {
	_, stream := hears(t)
	notices := make([]core.ShutdownNotice, 513)
	for i := range notices {
		notices[i].Kind = core.ShutdownPowerOff + core.ShutdownKind(i%2)
	}
	for count, end := range map[int]bool{512: false, 513: true} {
		effects := stream(core.Message{}, core.Message{Notices: notices[:count]})
		if _, ended := effects[0].(core.Disconnect); ended != end {
			t.Errorf("%d notices: %d effects, the first %T", count, len(effects), effects[0])
		}
	}
}

// A fan that cools nothing that is known to be off does not stop.
func TestFanOfAnEmptyCaseRuns(t *testing.T) {
	w := newWorld(core.Config{Fans: []core.FanConfig{{Name: "main", Controller: fan.Config{MayStop: true}}}}, func(time.Duration, string) {})
	if err := w.start(); err != nil {
		t.Fatal(err)
	}
	w.run(10 * time.Minute)
	if duty := w.fans[0].duty; duty != 0.2 {
		t.Errorf("it is at %g, want its minimum", duty)
	}
}
