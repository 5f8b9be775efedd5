// Package logind asks systemd-logind to end this boot, and learns from it of every shutdown before it happens.
//
// [Manager.Watch] holds a delay lock on shutdowns (an inhibitor, as systemd-inhibit lists them). With it logind tells of
// a shutdown and then waits: until the lock is let go, which is when the notice has been passed on, or at most for its
// InhibitDelayMaxSec, 5 s by default. The lock is taken again after a shutdown that was called off, and whenever logind
// or the bus starts anew.
//
// Which kind of shutdown it is, logind says with the notice from systemd 255 on (PrepareForShutdownWithMetadata), and an
// older one, such as Debian 12's 252, in its property ScheduledShutdown, of a shutdown that is typed too. Where neither
// tells, the kind can be read from systemd's jobs a moment after the lock is let go; it is told then, in a second notice.
//
// [Manager.PowerOff] and [Manager.Reboot] have no cancellation: logind knows none once it has accepted.
//
// A user other than root needs a polkit rule for the actions org.freedesktop.login1.power-off and .reboot, and for each
// with -multiple-sessions. A delay lock needs polkit and no rule; without polkit, shutdowns are told of and not delayed. See
// org.freedesktop.login1(5).
package logind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// What logind answers when it does not carry a request out. Nothing has begun then.
var (
	// ErrUnderWay says that a shutdown has begun already.
	ErrUnderWay = errors.New("a shutdown is under way already")
	// ErrBlocked says that another program holds a block lock; the error around it names the program.
	ErrBlocked = errors.New("another program blocks shutdowns")
)

const (
	service = "org.freedesktop.login1"
	path    = "/org/freedesktop/login1"
	manager = service + ".Manager."

	// Patience with the bus and with one call: polkit may have to be started first.
	patience = 20 * time.Second
)

// Config says how to reach logind. Its zero value is this machine's.
type Config struct {
	// Who holds the delay lock, as `systemd-inhibit --list` shows it. Default: "bramble".
	Who string
	// Address of the bus, as in D-Bus's specification. Default: the system bus.
	Address string
}

// Manager is the machine's logind. All its methods may be called from several goroutines.
type Manager struct {
	config Config

	mu    sync.Mutex
	ready error
}

// New connects to nothing yet.
func New(cfg Config) *Manager {
	if cfg.Who == "" {
		cfg.Who = "bramble"
	}
	return &Manager{config: cfg, ready: errors.New("logind has not been asked yet")}
}

// PowerOff asks logind to power off and returns once it has accepted. Otherwise nothing has begun, and the error says why
// and what to do. It is fs.ErrPermission without the right to it, errors.ErrUnsupported where there is no logind, and
// ErrUnderWay or ErrBlocked.
func (m *Manager) PowerOff(ctx context.Context) error { return m.ask(ctx, "PowerOff") }

// Reboot asks logind to restart, under the rules of PowerOff.
func (m *Manager) Reboot(ctx context.Context) error { return m.ask(ctx, "Reboot") }

// Ready says what stands in the way of PowerOff, with PowerOff's errors; nil if nothing does. It is what Watch found out
// when it last asked, at its start and every five minutes, and never blocks.
func (m *Manager) Ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

func (m *Manager) setReady(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = err
}

// Report is what logind says of itself.
type Report struct {
	// PowerOff is nil if this user may power off now, else PowerOff's error.
	PowerOff error
	// MaxDelay is how long logind waits for delay locks.
	MaxDelay time.Duration
}

// Examine asks logind and changes nothing. It fails where logind does not answer.
func (m *Manager) Examine(ctx context.Context) (Report, error) {
	c, err := m.connect(ctx)
	if err != nil {
		return Report{}, err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var microseconds uint64
	if err := c.property(ctx, "InhibitDelayMaxUSec", &microseconds); err != nil {
		return Report{}, describe("InhibitDelayMaxUSec", err)
	}
	return Report{PowerOff: c.can(ctx), MaxDelay: time.Duration(microseconds) * time.Microsecond}, nil
}

// client is one connection to the bus.
type client struct {
	conn   *dbus.Conn
	logind dbus.BusObject
	close  func()
}

// connect opens a connection of its own, which ends with the context or by close.
func (m *Manager) connect(ctx context.Context) (client, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(patience, cancel)
	defer late.Stop()
	options := []dbus.ConnOption{dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler())}
	var conn *dbus.Conn
	var err error
	if m.config.Address == "" {
		conn, err = dbus.ConnectSystemBus(options...)
	} else {
		conn, err = dbus.Connect(m.config.Address, options...)
	}
	switch {
	case err == nil:
		return client{conn: conn, logind: conn.Object(service, path), close: func() {
			conn.Close()
			cancel()
		}}, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("there is no system bus, so no logind: install dbus and systemd: %w: %w", err, errors.ErrUnsupported)
	case ctx.Err() != nil:
		err = fmt.Errorf("the system bus does not answer: systemctl status dbus: %w", ctx.Err())
	default:
		err = fmt.Errorf("connect to the system bus: %w", err)
	}
	cancel()
	return client{}, err
}

// ask passes a request on. Its connection is its own, so that it works while Watch waits for the bus to come back.
func (m *Manager) ask(ctx context.Context, method string) error {
	c, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	const interactive = false
	return c.refusal(ctx, method, c.logind.CallWithContext(ctx, manager+method, 0, interactive).Err)
}

// can asks whether a power-off would be carried out now.
func (c client) can(ctx context.Context) error {
	var answer string
	if err := c.logind.CallWithContext(ctx, manager+"CanPowerOff", 0).Store(&answer); err != nil {
		return describe("CanPowerOff", err)
	}
	switch answer {
	case "yes":
		return nil
	case "na":
		return fmt.Errorf("logind says that this machine cannot power off: %w", errors.ErrUnsupported)
	}
	return c.refusal(ctx, "PowerOff", dbus.Error{Name: accessDenied, Body: []any{`CanPowerOff is "` + answer + `"`}})
}

// What a refusal can be called on the bus.
const (
	accessDenied    = "org.freedesktop.DBus.Error.AccessDenied"
	interactiveOnly = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
	authFailed      = "org.freedesktop.DBus.Error.AuthFailed"
	noSuchService   = "org.freedesktop.DBus.Error.ServiceUnknown"
	noOwner         = "org.freedesktop.DBus.Error.NameHasNoOwner"
	inProgress      = service + ".OperationInProgress"
	blockedByLock   = service + ".BlockedByInhibitorLock" // from systemd 257 on
)

// refusal says what an answer to PowerOff or Reboot means. Before systemd 257 a block lock reads as a missing right: to
// the right to power off in spite of it.
func (c client) refusal(ctx context.Context, method string, err error) error {
	answer, ok := errors.AsType[dbus.Error](err)
	if !ok {
		return describe(method, err)
	}
	switch answer.Name {
	case inProgress:
		return fmt.Errorf("logind: %s: %w: %w", method, err, ErrUnderWay)
	case accessDenied, interactiveOnly, authFailed, blockedByLock:
		if holder := c.blocker(ctx); holder != "" {
			return fmt.Errorf("logind: %s: %w: %s; end that, or wait for it: %w", method, err, holder, ErrBlocked)
		}
		return fmt.Errorf("logind: %s: %w: let this user do it: install polkit (package polkitd) and the rule "+
			"50-bramble-agent.rules in /usr/share/polkit-1/rules.d: %w", method, err, fs.ErrPermission)
	}
	return describe(method, err)
}

// describe says what the answer to any other call means; nil stays nil.
func describe(method string, err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[dbus.Error](err); ok && (answer.Name == noSuchService || answer.Name == noOwner) {
		return fmt.Errorf("there is no logind on the system bus: install systemd, or start systemd-logind: %w: %w", err, errors.ErrUnsupported)
	}
	return fmt.Errorf("logind: %s: %w", method, err)
}

// blocker names who holds a block lock on shutdowns; "" if nobody does, or logind does not say.
func (c client) blocker(ctx context.Context) string {
	var locks []struct {
		What, Who, Why, Mode string
		UID, PID             uint32
	}
	if err := c.logind.CallWithContext(ctx, manager+"ListInhibitors", 0).Store(&locks); err != nil {
		return ""
	}
	for _, lock := range locks {
		if strings.HasPrefix(lock.Mode, "block") && slices.Contains(strings.Split(lock.What, ":"), "shutdown") {
			return fmt.Sprintf("%s (pid %d) blocks it: %s", lock.Who, lock.PID, lock.Why)
		}
	}
	return ""
}

func (c client) property(ctx context.Context, name string, value any) error {
	return c.logind.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, service+".Manager", name).Store(value)
}
