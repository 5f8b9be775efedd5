package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bramblemesh/bramble/sim"
)

func TestRecorderSumsUp(t *testing.T) {
	r := newRecorder("pico5", "idle", 7, []nodeSummary{{Name: "master", Board: "Pi 4B"}, {Name: "worker-1", Board: "Pi 3B+"}})
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

	r.fan(0, 1, 5412.4)
	r.node("master", 1, 41.0004, true)
	r.node("master", 2, 43.5, true)
	r.node("worker-1", 0, 0, false)
	r.fan(at(2), 0.995, 5300) // too small a move to count
	r.fan(at(4), 0.5, 2757)
	r.presence(at(4), "worker-1", true)
	r.presence(at(5), "worker-1", true) // still
	r.alarm(at(4), "node_stale", "worker-1")
	r.fan(at(8), 1, 3000)
	r.presence(at(9), "worker-1", false)

	got, err := json.Marshal(r.finish(at(10), []sim.Loss{{Board: "worker-1", At: at(7), By: sim.CutByPlug}}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"case":"pico5","scenario":"idle","seed":7,"duration_seconds":10,"nodes":[` +
		`{"name":"master","board":"Pi 4B","samples":2,"min_celsius":41,"max_celsius":43.5,"stale_intervals":[]},` +
		`{"name":"worker-1","board":"Pi 3B+","samples":0,"min_celsius":null,"max_celsius":null,"stale_intervals":[{"from_seconds":4,"to_seconds":9}]}],` +
		`"fan":{"min_duty":0.5,"max_duty":1,"mean_duty":0.799,"max_rpm":5412,"duty_changes":2,` +
		`"full_intervals":[{"from_seconds":0,"to_seconds":2},{"from_seconds":8,"to_seconds":10}]},` +
		`"alarms":[{"at_seconds":4,"kind":"node_stale","subject":"worker-1"}],"lost_file_systems":1,"losses":[{"at_seconds":7,"board":"worker-1","by":"plug"}]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
