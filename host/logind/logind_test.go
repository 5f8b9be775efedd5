package logind

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

func TestPowerOffAnswersWhatLogindSaid(t *testing.T) {
	denied := &dbus.Error{Name: accessDenied, Body: []any{"Permission denied"}}
	upgrade := [][]any{{"sleep", "Desktop", "never mind", "block"}, {"shutdown", "me", "notices", "delay"}, {"idle:shutdown", "Unattended Upgrades", "packages are being installed", "block"}}
	for _, c := range []struct {
		name    string
		answer  *dbus.Error
		locks   [][]any
		want    error
		mention []string
	}{
		{"accepted", nil, nil, nil, nil},
		{"no right", denied, upgrade[:2], fs.ErrPermission, []string{"Permission denied", "50-bramble-agent.rules", "polkitd"}},
		{"would ask a person", &dbus.Error{Name: interactiveOnly, Body: []any{"Interactive authentication required."}}, nil, fs.ErrPermission, []string{"Interactive"}},
		{"blocked before 257", denied, upgrade, ErrBlocked, []string{"Unattended Upgrades (pid 812)", "packages are being installed"}},
		{"blocked", &dbus.Error{Name: blockedByLock, Body: []any{"Access denied"}}, upgrade, ErrBlocked, []string{"Unattended Upgrades"}},
		{"another one", &dbus.Error{Name: inProgress, Body: []any{"There's already a shutdown in progress"}}, nil, ErrUnderWay, []string{"already a shutdown"}},
		{"no logind", &dbus.Error{Name: noSuchService, Body: []any{"not activatable"}}, nil, errors.ErrUnsupported, []string{"systemd-logind"}},
		{"anything else", &dbus.Error{Name: "org.freedesktop.DBus.Error.Failed", Body: []any{"disk on fire"}}, nil, nil, []string{"disk on fire"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBus(t)
			b.set(func() { b.answers["PowerOff"], b.answers["Reboot"], b.locks = c.answer, c.answer, c.locks })
			m := New(Config{Address: b.address})
			for method, ask := range map[string]func(context.Context) error{"PowerOff": m.PowerOff, "Reboot": m.Reboot} {
				err := ask(t.Context())
				b.called(method)
				if (err == nil) != (c.answer == nil) || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", method, err, c.want)
				}
				for _, other := range []error{fs.ErrPermission, ErrBlocked, ErrUnderWay, errors.ErrUnsupported} {
					if other != c.want && errors.Is(err, other) {
						t.Errorf("%s: %v is %v too", method, err, other)
					}
				}
				for _, part := range c.mention {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: no %q in %q", method, part, err)
					}
				}
			}
		})
	}
}

func TestThereIsNoBus(t *testing.T) {
	m := New(Config{Address: "unix:path=" + filepath.Join(t.TempDir(), "bus")})
	if err := m.PowerOff(t.Context()); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "install dbus") {
		t.Errorf("%v", err)
	}
	if m.Ready() == nil {
		t.Error("ready before anybody asked")
	}
	if err := m.Watch(t.Context(), nil); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(m.Ready(), errors.ErrUnsupported) {
		t.Errorf("watch: %v; ready: %v", err, m.Ready())
	}
}

func TestExamineSaysWhetherItWouldWork(t *testing.T) {
	b := newBus(t)
	m := New(Config{Address: b.address})
	for can, want := range map[string]error{"yes": nil, "na": errors.ErrUnsupported, "challenge": fs.ErrPermission, "no": fs.ErrPermission} {
		b.set(func() { b.can = can })
		report, err := m.Examine(t.Context())
		if err != nil || report.MaxDelay != 5*time.Second || !errors.Is(report.PowerOff, want) || (want == nil) != (report.PowerOff == nil) {
			t.Errorf("%s: %+v, %v", can, report, err)
		}
	}
}

// watched runs Watch until the test ends. Each notice is sent on the channel, and Watch waits until it is taken.
func watched(t *testing.T, b *bus) (notices chan string, failed chan error) {
	t.Helper()
	notices, failed = make(chan string), make(chan error, 1)
	m := New(Config{Address: b.address})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed <- m.Watch(ctx, func(kind string) {
			select {
			case notices <- kind:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return notices, failed
}

func (b *bus) told(notices chan string, want string) {
	b.t.Helper()
	select {
	case got := <-notices:
		if got != want {
			b.t.Fatalf("told %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		b.t.Fatalf("not told %q", want)
	}
}

func (b *bus) letGo() {
	b.t.Helper()
	select {
	case <-b.freed:
	case <-time.After(10 * time.Second):
		b.t.Fatal("the delay lock is still held")
	}
}

// As an old systemd does it: nothing says the kind before the job is there, and that is after the lock is let go.
func TestTypedShutdownIsToldBeforeItGoesOn(t *testing.T) {
	b := newBus(t)
	notices, _ := watched(t, b)
	b.called("CanPowerOff")
	b.signal(logindsName, manager+"PrepareForShutdown", true)
	select {
	case <-b.freed:
		t.Fatal("the lock was let go before anybody was told")
	case <-time.After(50 * time.Millisecond): // only a broken order fails here
	}
	b.told(notices, "")
	b.letGo()
	b.set(func() { b.jobs = []string{"multi-user.target", "poweroff.target"} })
	b.told(notices, "poweroff")

	// Called off, it is told, and the next one is delayed again.
	b.set(func() { b.jobs = nil })
	b.signal(logindsName, manager+"PrepareForShutdown", false)
	b.told(notices, "cancelled")
	b.called("Inhibit")
	b.called("CanPowerOff")
	b.set(func() { b.jobs = []string{"reboot.target"} })
	b.signal(logindsName, manager+"PrepareForShutdown", true)
	b.told(notices, "")
	b.letGo()
	b.told(notices, "reboot")
}

func TestNewerSystemdTellsTheKindAtOnce(t *testing.T) {
	for word, want := range map[string]string{"poweroff": "poweroff", "halt": "poweroff", "reboot": "reboot", "kexec": "reboot", "soft-reboot": "reboot"} {
		b := newBus(t)
		notices, _ := watched(t, b)
		b.called("CanPowerOff")
		b.signal(logindsName, manager+"PrepareForShutdownWithMetadata", true, map[string]dbus.Variant{"type": dbus.MakeVariant(word)})
		b.signal(logindsName, manager+"PrepareForShutdown", true)
		b.told(notices, want)
		b.letGo()
		b.signal(logindsName, manager+"PrepareForShutdownWithMetadata", false, map[string]dbus.Variant{"type": dbus.MakeVariant(word)})
		b.signal(logindsName, manager+"PrepareForShutdown", false)
		b.told(notices, "cancelled")
	}
}

func TestScheduledShutdownHasAKind(t *testing.T) {
	for _, c := range []struct {
		due  time.Time
		want string
	}{
		{time.Unix(0, 0), "poweroff"}, // one that is typed, with systemd 252
		{time.Now().Add(-time.Second), "poweroff"},
		{time.Now().Add(time.Hour), ""},
	} {
		b := newBus(t)
		b.set(func() { b.scheduled = []any{"poweroff", uint64(c.due.UnixMicro())} })
		notices, _ := watched(t, b)
		b.called("CanPowerOff")
		b.signal(logindsName, manager+"PrepareForShutdown", true)
		b.told(notices, c.want)
	}
}

func TestOnlyLogindIsBelieved(t *testing.T) {
	b := newBus(t)
	notices, _ := watched(t, b)
	b.called("CanPowerOff")
	b.signal(":1.666", manager+"PrepareForShutdown", true)
	b.signal(":1.666", manager+"PrepareForShutdownWithMetadata", true, map[string]dbus.Variant{"type": dbus.MakeVariant("poweroff")})
	b.signal(logindsName, manager+"PrepareForShutdownWithMetadata", true, map[string]dbus.Variant{"type": dbus.MakeVariant("reboot")})
	b.told(notices, "reboot")
}

func TestShutdownThatHasBegunAlreadyIsTold(t *testing.T) {
	b := newBus(t)
	b.set(func() {
		b.preparing = true
		b.answers["Inhibit"] = &dbus.Error{Name: inProgress, Body: []any{"The operation inhibition has been requested for is already running"}}
		b.jobs = []string{"poweroff.target"}
	})
	notices, _ := watched(t, b)
	b.told(notices, "")
	b.told(notices, "poweroff")
}

// Where there is no polkit, logind refuses root's rights and a delay lock to everybody else.
func TestWithoutALockShutdownsAreStillTold(t *testing.T) {
	b := newBus(t)
	b.set(func() { b.answers["Inhibit"] = &dbus.Error{Name: accessDenied, Body: []any{"Permission denied"}} })
	notices, _ := watched(t, b)
	b.called("CanPowerOff")
	b.set(func() { b.jobs = []string{"poweroff.target"} })
	b.signal(logindsName, manager+"PrepareForShutdown", true)
	b.told(notices, "")
	b.told(notices, "poweroff")
}

func TestNewLogindGetsANewLock(t *testing.T) {
	b := newBus(t)
	watched(t, b)
	b.called("CanPowerOff")
	b.signal("org.freedesktop.DBus", "org.freedesktop.DBus.NameOwnerChanged", service, "", ":1.99")
	b.called("Inhibit")
	b.letGo()
}

func TestWatchEndsWithTheBusAndComesBackWithIt(t *testing.T) {
	b := newBus(t)
	_, failed := watched(t, b)
	b.called("CanPowerOff")
	b.stop()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "bus") {
		t.Errorf("watch: %v", err)
	}
	b.letGo()
	b.start()
	notices, _ := watched(t, b)
	b.called("CanPowerOff")
	b.set(func() { b.scheduled = []any{"reboot", uint64(1)} })
	b.signal(logindsName, manager+"PrepareForShutdown", true)
	b.told(notices, "reboot")
}

func TestRightIsKnownWithoutAsking(t *testing.T) {
	b := newBus(t)
	b.set(func() { b.can = "challenge" })
	m := New(Config{Address: b.address})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Watch(ctx, func(string) {}) }()
	b.called("CanPowerOff")
	b.called("ListInhibitors")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("watch: %v", err)
	}
	if !errors.Is(m.Ready(), fs.ErrPermission) {
		t.Errorf("ready: %v", m.Ready())
	}
}
