//go:build system

package system

import (
	"strings"
	"testing"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Operations, proofs and what persons said survive the coordinator.
func memorySurvives(t *testing.T, m machine) {
	m.wired(t)
	tested(t, m)
	t.Cleanup(func() { m.sh(t, "bramblectl --timeout 1m node maintenance worker-1 --off || true") }) // refused when it has been
	m.sh(t, "bramblectl --timeout 1m node maintenance worker-1 --reason 'a new fan'")
	m.replaced(t, "kill -9 "+coordinatorPID)
	until(t, "maintenance that is remembered", func() (string, bool) {
		power := m.named(t, "worker-1").GetPower()
		return power.String(), power.GetState() == coordinatorv1.PowerState_POWER_STATE_MAINTENANCE
	})
	node := m.named(t, "worker-1")
	if !node.GetMaintenance() || node.GetPower().GetWiring() != coordinatorv1.Wiring_WIRING_TESTED || node.GetRail() != coordinatorv1.RailState_RAIL_STATE_ON {
		t.Errorf("after kill -9 the worker is %v, want it in maintenance, its wiring tested and its rail on", node)
	}
	var operations coordinatorv1.ListOperationsResponse
	m.parse(t, "bramblectl -o json operations", &operations)
	if all := operations.GetOperations(); len(all) == 0 || all[0].GetKind() != coordinatorv1.OperationKind_OPERATION_KIND_TEST_WIRING || all[0].GetState() != coordinatorv1.OperationState_OPERATION_STATE_DONE {
		t.Errorf("after kill -9 the operations are %v, want the wiring test, done", all)
	}
	m.sh(t, "bramblectl --timeout 1m node maintenance worker-1 --off")
	m.ready(t)
	m.untouched(t, "kill -9 and maintenance")
	t.Log("a wiring test, its operation and maintenance are remembered after kill -9")
}

// tested has the wiring of the worker tested: its agent pulses one end of the done line, the coordinator sees the other.
func tested(t *testing.T, m machine) {
	t.Helper()
	t.Log(m.sh(t, "bramblectl --timeout 1m power test worker-1 --wait"))
	if wiring := m.named(t, "worker-1").GetPower().GetWiring(); wiring != coordinatorv1.Wiring_WIRING_TESTED {
		t.Errorf("after the test the wiring is %v", wiring)
	}
}

// A coordinator whose memory is damaged says so, looks after everything, and switches nothing until a person has read it.
func damagedMemory(t *testing.T, m machine) {
	m.wired(t)
	tested(t, m)
	m.sh(t, `systemctl stop bramble-coordinator
dd status=none if=/dev/urandom of=/var/lib/bramble/coordinator.db bs=4096 count=4 conv=notrunc
systemctl start bramble-coordinator`)
	m.ready(t)
	m.untouched(t, "a start with a damaged file")
	if store := m.store(t); store.GetHealth() != coordinatorv1.StoreHealth_STORE_HEALTH_DAMAGED {
		t.Errorf("the damaged store is %v", store)
	} else {
		t.Log(store.GetMessage())
	}
	for _, command := range []string{"power off worker-1", "power cycle worker-1", "case stop"} {
		out := m.sh(t, "bramblectl --timeout 1m "+command+" 2>&1; echo exit $?")
		t.Logf("%s: %s", command, out)
		if !strings.HasSuffix(out, "exit 3") || !strings.Contains(out, "bramblectl store acknowledge") {
			t.Errorf("bramblectl %s with a damaged memory: %q, want exit code 3 and what to do", command, out)
		}
	}
	m.sh(t, "ls /var/lib/bramble/coordinator.db.* && bramblectl --timeout 1m store acknowledge")
	if store := m.store(t); store.GetHealth() != coordinatorv1.StoreHealth_STORE_HEALTH_GOOD {
		t.Errorf("the acknowledged store is %v", store)
	}
	tested(t, m)
	t.Logf("after store acknowledge and another test of the wiring: %s", m.sh(t, "bramblectl --timeout 1m power off worker-1 --dry-run"))
	m.untouched(t, "store acknowledge")
}

func (m machine) store(t *testing.T) *coordinatorv1.Store {
	t.Helper()
	var whole coordinatorv1.WatchResponse
	m.parse(t, "bramblectl -o json status", &whole)
	return whole.GetCase().GetStore()
}
