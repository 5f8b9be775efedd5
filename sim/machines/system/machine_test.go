//go:build system

package system

import (
	"path/filepath"
	"testing"

	"github.com/bramblemesh/bramble/sim/machines"
)

// chapter is a part of the story. Each begins by making what it needs, so that one that fails spoils no other.
type chapter struct {
	name string
	tell func(t *testing.T, m machine)
}

// The whole product on one machine.
func TestMachine(t *testing.T) {
	m := boot(t)
	install(t, m)
	for _, c := range []chapter{
		{"units are in order", unitsAreInOrder},
		{"everybody is his own user", ownUsers},
		{"ready means serving", readyWhenServing},
		{"temperatures arrive", temperaturesArrive},
		{"a broken zone is seen and hides nothing", brokenZoneIsSeen},
		{"flags arrive as events", flagsArrive},
		{"every fan back end keeps the contract", contract},
		{"the fan follows the heat", fanFollows},
		{"fans of kernel drivers are read", hwmonFan},
		{"the period comes before the duty", periodBeforeDuty},
		{"kill -9 leaves the fans at full", killed},
		{"a hang leaves the fans at full", hangs},
		{"a lost configuration leaves the fans at full", configurationLost},
		{"numbers of chips move", numbersMove},
		{"flags come from the best source", flagSources},
		{"rails survive the coordinator", railsSurvive},
		{"a second coordinator is refused", secondIsRefused},
		{"the done line is heard later", doneLineIsHeardLater},
		{"operations and proofs survive", memorySurvives},
		{"a damaged memory switches nothing", damagedMemory},
		{"the agent may power off", mayPowerOff},
		{"a poweroff stops the workers first", powerOff}, // the last: the machine is gone
	} {
		t.Run(c.name, func(t *testing.T) { c.tell(t, m) })
	}
}

// boot starts a machine that has our files, and nothing installed. It is gone with the test.
func boot(t *testing.T) machine {
	image, err := machines.Build(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.Start(t.Context(), machines.Config{Name: "system", Files: files(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	return machine{m}
}

// install installs what deploy/install installs, on a machine with all simulated hardware, and starts both services.
func install(t *testing.T, m machine) {
	m.sh(t, "cat > /run/wires <<'END'\n"+wires+"END\nmodprobe pi-sim fan_max_rpm=1500 && mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug")
	plugI2C(t, m)
	t.Log("the machine has a simulated Pi, and an LM75 and an ADT7475 on I2C")
	m.sh(t, "/opt/bramble/deploy/install /opt/bramble/bin")
	m.sh(t, "echo 'name: master' > /etc/bramble/agent.yaml; systemctl enable --now bramble-agent")
	m.configure(t, caseOfOne)
	t.Log("deploy/install has run, both services are up under their units")
}

// files are what the machine has of us: binaries as `make build` makes them, and the folder deploy.
func files(t *testing.T) map[string]string {
	binaries := build(t, nil, "./agent/cmd/...", "./coordinator/cmd/...")
	all := below(t, "/opt/bramble/bin", binaries)
	all["/opt/bramble/ask"] = filepath.Join(build(t, nil, "./sim/machines/system/testdata/ask"), "ask")
	for to, from := range below(t, "/opt/bramble/deploy", filepath.Join(moduleRoot(t), "deploy")) {
		all[to] = from
	}
	return all
}
