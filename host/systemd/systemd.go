// Package systemd asks the system's manager what a program that is being stopped must know: whether the whole machine
// goes down, or only the program.
package systemd

import (
	"context"
	"fmt"

	"github.com/godbus/dbus/v5"
)

const (
	destination = "org.freedesktop.systemd1"
	manager     = dbus.ObjectPath("/org/freedesktop/systemd1")
	// systemState is "stopping" once a start of shutdown.target is queued, which poweroff, halt, reboot and kexec all
	// bring (manager_state in systemd's src/core/manager.c; org.freedesktop.systemd1(5)).
	systemState = "org.freedesktop.systemd1.Manager.SystemState"
	stopping    = "stopping"
)

// GoingDown reports whether the machine is shutting down, by whatever name: poweroff, halt, reboot or kexec. It needs the
// system bus, which a unit has at its stop if it is ordered after dbus.socket.
func GoingDown(ctx context.Context) (bool, error) { return goingDown(ctx, "") }

// goingDown asks on the bus of an address; empty is the system bus.
func goingDown(ctx context.Context, address string) (bool, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return false, fmt.Errorf("system bus: %w", err)
	}
	defer conn.Close()
	state, err := conn.Object(destination, manager).GetProperty(systemState)
	if err != nil {
		return false, fmt.Errorf("systemd's state: %w", err)
	}
	text, ok := state.Value().(string)
	if !ok {
		return false, fmt.Errorf("systemd's state: %v is no text", state)
	}
	return text == stopping, nil
}

func connect(ctx context.Context, address string) (*dbus.Conn, error) {
	if address == "" {
		return dbus.ConnectSystemBus(dbus.WithContext(ctx))
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}
