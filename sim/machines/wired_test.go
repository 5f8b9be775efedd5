package machines

import (
	"strings"
	"testing"
)

func TestHowItEnds(t *testing.T) {
	const hello = `{"QMP": {"version": {"qemu": {"major": 10}}, "capabilities": ["oob"]}}
{"return": {}}
{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "NIC_RX_FILTER_CHANGED", "data": {"path": "/machine"}}
`
	for _, test := range []struct {
		told string
		want End
	}{
		{"", Killed},
		{hello, Killed},
		{hello + `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}`, PoweredOff},
		{hello + `{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}` + "\n", Reset},
		{hello + `{"event": "SHUTDOWN", "data": {"guest": false, "reason": "host-signal"}}`, Killed},
		{hello + `{"event": "SHUTD`, Killed},
	} {
		if got := howItEnds(strings.NewReader(test.told)); got != test.want {
			t.Errorf("%s: got %v, want %v", test.told, got, test.want)
		}
	}
}

// A machine is wired to what its configuration names, and to nothing else.
func TestWired(t *testing.T) {
	if got := (&Image{}).wired(Config{}); got != nil {
		t.Errorf("got %q", got)
	}
	all := strings.Join((&Image{shared: true}).wired(Config{Name: "a", MemoryMB: 384, GPIO: "/g", Ethernet: "/e"}), " ")
	for _, want := range []string{"size=384M,share=on", "path=/g", "addr.path=/e", "vhost-user-gpio-pci"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s does not have %s", all, want)
		}
	}
	other := strings.Join((&Image{shared: true}).wired(Config{Name: "b", MemoryMB: 384, GPIO: "/g", Ethernet: "/e"}), " ")
	if all == other {
		t.Error("two machines have one network address")
	}
}
