package logind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	checkEvery = 5 * time.Minute // between two looks at whether a power-off would be carried out

	// How often, and how long, to look for the job that says which kind of shutdown has begun.
	jobEvery    = 20 * time.Millisecond
	jobPatience = 2 * time.Second
)

// Watch takes the delay lock and calls notify, from one goroutine, with each shutdown that logind tells of: "poweroff",
// "reboot", "cancelled", or "" while logind does not say which. The lock is let go when notify has returned: it may pass
// the notice on first, for a second at most. Watch blocks until the context is done and lets the lock go; it returns an
// error earlier when the bus goes away or logind does not answer.
func (m *Manager) Watch(ctx context.Context, notify func(kind string)) error {
	err := m.watch(ctx, notify)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.setReady(err)
	return err
}

func (m *Manager) watch(ctx context.Context, notify func(kind string)) error {
	c, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	signals := make(chan *dbus.Signal, 8)
	c.conn.Signal(signals)
	w := &watcher{client: c, who: m.config.Who, notify: notify}
	defer w.release()
	if err := w.subscribe(ctx); err != nil {
		return err
	}
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for begin := true; ; {
		if begin {
			if err := w.take(ctx); err != nil {
				return err
			}
		}
		m.setReady(w.can(ctx))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-check.C:
			begin = false
		case s, ok := <-signals:
			if !ok {
				return errors.New("the system bus has gone away")
			}
			begin = w.signal(ctx, s)
		}
	}
}

// watcher is what Watch knows of logind on one connection.
type watcher struct {
	client
	who       string
	notify    func(kind string)
	owner     string   // logind's name on the bus: only its signals count
	lock      *os.File // nil: none
	preparing bool     // a shutdown has been told of
}

// subscribe asks the bus for logind's signals. It comes before the lock, so that none can be missed.
func (w *watcher) subscribe(ctx context.Context) error {
	from := []dbus.MatchOption{dbus.WithMatchSender(service), dbus.WithMatchObjectPath(path), dbus.WithMatchInterface(service + ".Manager")}
	for _, options := range [][]dbus.MatchOption{
		append(from, dbus.WithMatchMember("PrepareForShutdownWithMetadata")),
		append(from, dbus.WithMatchMember("PrepareForShutdown")),
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := w.conn.AddMatchSignalContext(ctx, options...); err != nil {
			return fmt.Errorf("watch logind's signals: %w", err)
		}
	}
	return nil
}

// take takes the lock, and finds out whether a shutdown is being prepared already.
func (w *watcher) take(ctx context.Context) error {
	w.release()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var fd dbus.UnixFD
	err := w.logind.CallWithContext(ctx, manager+"Inhibit", 0, "shutdown", w.who, "tells the coordinator of the shutdown", "delay").Store(&fd)
	if err == nil {
		w.lock = os.NewFile(uintptr(fd), "delay lock")
	} else if !mayDoWithout(err) {
		return describe("Inhibit", err)
	}
	if err := w.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, service).Store(&w.owner); err != nil {
		return describe("GetNameOwner", err)
	}
	var preparing bool
	if err := w.property(ctx, "PreparingForShutdown", &preparing); err != nil {
		return describe("PreparingForShutdown", err)
	}
	switch {
	case preparing:
		w.prepare(ctx, "")
	case w.preparing: // by a logind that has been restarted since
		w.preparing = false
		w.notify("cancelled")
	}
	return nil
}

// mayDoWithout says whether a lock that cannot be had is no reason to stop watching: it is too late for one, which the
// property PreparingForShutdown says too, or there is no polkit to allow it. Shutdowns are told of then, and not delayed.
func mayDoWithout(err error) bool {
	answer, ok := errors.AsType[dbus.Error](err)
	return ok && (answer.Name == inProgress || answer.Name == accessDenied || answer.Name == interactiveOnly)
}

func (w *watcher) release() {
	if w.lock != nil {
		w.lock.Close()
		w.lock = nil
	}
}

// signal takes in one signal and says whether the lock has to be taken anew.
func (w *watcher) signal(ctx context.Context, s *dbus.Signal) (begin bool) {
	var start bool
	switch s.Name {
	case "org.freedesktop.DBus.NameOwnerChanged":
		var name, before, now string
		return dbus.Store(s.Body, &name, &before, &now) == nil && name == service && now != "" && now != w.owner
	case manager + "PrepareForShutdownWithMetadata": // sent before the other one
		var metadata map[string]dbus.Variant
		if s.Sender != w.owner || dbus.Store(s.Body, &start, &metadata) != nil || !start {
			return false
		}
		kind, _ := metadata["type"].Value().(string)
		w.prepare(ctx, kindOf(kind))
	case manager + "PrepareForShutdown":
		if s.Sender != w.owner || dbus.Store(s.Body, &start) != nil {
			return false
		}
		if start {
			w.prepare(ctx, w.scheduled(ctx))
		} else if w.preparing {
			w.preparing = false
			w.notify("cancelled")
			return true
		}
	}
	return false
}

// prepare passes a shutdown on, once, and then lets logind go on.
func (w *watcher) prepare(ctx context.Context, kind string) {
	if w.preparing {
		return
	}
	w.preparing = true
	w.notify(kind)
	w.release()
	if kind != "" {
		return
	}
	if kind = w.queued(ctx); kind != "" {
		w.notify(kind)
	}
}

// scheduled is the kind of a scheduled shutdown that is due; "" if there is none. systemd 252 counts one that was asked for
// at once as due since 1970.
func (w *watcher) scheduled(ctx context.Context) string {
	var plan struct {
		Kind         string
		Microseconds uint64 // since 1970
	}
	err := w.property(ctx, "ScheduledShutdown", &plan)
	if err != nil || plan.Microseconds > uint64(time.Now().UnixMicro()) {
		return ""
	}
	return kindOf(plan.Kind)
}

// queued is the kind of shutdown that systemd has begun; "" if it does not begin one in time.
func (w *watcher) queued(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, jobPatience)
	defer cancel()
	systemd := w.conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
	for {
		var jobs []struct {
			ID                uint32
			Unit, Type, State string
			Job, Object       dbus.ObjectPath
		}
		if err := systemd.CallWithContext(ctx, "org.freedesktop.systemd1.Manager.ListJobs", 0).Store(&jobs); err != nil {
			return ""
		}
		for _, job := range jobs {
			if kind := kindOfUnit(job.Unit); kind != "" && job.Type == "start" {
				return kind
			}
		}
		select {
		case <-ctx.Done():
			return ""
		case <-time.After(jobEvery):
		}
	}
}

// kindOf translates logind's word for a shutdown. A halted machine stays down, as one that is off.
func kindOf(word string) string {
	switch word {
	case "poweroff", "halt":
		return "poweroff"
	case "reboot", "kexec", "soft-reboot":
		return "reboot"
	default:
		return ""
	}
}

// kindOfUnit is the kind of shutdown that a unit stands for; see systemd.special(7).
func kindOfUnit(unit string) string {
	switch unit {
	case "poweroff.target", "halt.target":
		return "poweroff"
	case "reboot.target", "kexec.target", "soft-reboot.target":
		return "reboot"
	default:
		return ""
	}
}
