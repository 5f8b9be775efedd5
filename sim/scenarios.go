package sim

import (
	"fmt"
	"strings"
	"time"
)

// Scenarios returns the scenarios that come with the package. They fit Pico5;
// those that name a worker need a case that has it.
func Scenarios() []Scenario {
	return []Scenario{idle(), burst(), hotRoom(), silentWorker(), stalledFan(), power(), reference()}
}

// ScenarioNamed returns one of Scenarios. An unknown name is an error that lists
// the known ones.
func ScenarioNamed(name string) (Scenario, error) {
	var names []string
	for _, s := range Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return Scenario{}, fmt.Errorf("scenario %q is unknown: use one of %s", name, strings.Join(names, ", "))
}

func idle() Scenario {
	return Scenario{
		Name:        "idle",
		Description: "every board idle in a cool room",
		Duration:    10 * time.Minute,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(idleLoad)},
		},
	}
}

func burst() Scenario {
	return Scenario{
		Name:        "burst",
		Description: "one 3B+ at full load, then every board, then idle again",
		Duration:    10 * time.Minute,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(idleLoad)},
			{At: 5 * time.Second, Board: "worker-3", Load: new(1.0)},
			{At: 1 * time.Minute, Load: new(1.0)},
			{At: 5 * time.Minute, Load: new(idleLoad)},
		},
	}
}

func hotRoom() Scenario {
	return Scenario{
		Name:        "hot-room",
		Description: "the room goes from 22 to 35 C for five minutes under a steady load",
		Duration:    10 * time.Minute,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(0.5)},
			{At: 10 * time.Second, Fault: FaultHotRoom, Value: 35},
			{At: 310 * time.Second, Clear: FaultHotRoom},
		},
	}
}

func silentWorker() Scenario {
	return Scenario{
		Name:        "silent-worker",
		Description: "worker-2's agent falls silent for ten seconds in a warm case",
		Duration:    30 * time.Second,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(0.5)},
			{At: 8 * time.Second, Board: "worker-2", Fault: FaultSilentAgent},
			{At: 18 * time.Second, Board: "worker-2", Clear: FaultSilentAgent},
		},
	}
}

func stalledFan() Scenario {
	return Scenario{
		Name:        "stalled-fan",
		Description: "something blocks the fan for half a minute in a warm case",
		Duration:    time.Minute,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(0.5)},
			{At: 8 * time.Second, Fault: FaultStalledFan},
			{At: 38 * time.Second, Clear: FaultStalledFan},
		},
	}
}

func power() Scenario {
	return Scenario{
		Name:        "power",
		Description: "someone types poweroff on worker-4; worker-3's shutdowns hang, worker-1's line glitches",
		Duration:    10 * time.Minute,
		SettledDuty: 0.3,
		Steps: []Step{
			{At: 0, Load: new(idleLoad)},
			{At: 0, Board: "worker-1", Fault: FaultDoneGlitches},
			{At: 0, Board: "worker-3", Fault: FaultHungShutdown},
			{At: 10 * time.Second, Board: "worker-4", Typed: "poweroff"},
		},
	}
}

// reference is the load under which fan controllers are compared with each
// other: three hours of idle, one board full, all full, idle and random bursts,
// beginning with the fan at full and every slow mode at 20 K.
func reference() Scenario {
	return Scenario{
		Name:        "reference",
		Description: "three hours: idle, one 3B+ full, all full, idle, random bursts",
		Duration:    3 * time.Hour,
		SlowKelvin:  20,
		Steps: []Step{
			{At: 0, Load: new(idleLoad)},
			{At: 30 * time.Minute, Board: "worker-3", Load: new(1.0)},
			{At: 60 * time.Minute, Load: new(1.0)},
			{At: 90 * time.Minute, Load: new(idleLoad)},
			{At: 120 * time.Minute, Bursts: true},
		},
	}
}
