package daemon

import (
	"fmt"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"
)

// Ready tells systemd that the program serves. Without systemd it does nothing.
func Ready(logger hclog.Logger) { notify(logger, systemd.SdNotifyReady) }

// Stopping tells systemd that the program is on its way out.
func Stopping(logger hclog.Logger) { notify(logger, systemd.SdNotifyStopping) }

// Status tells systemd one line that `systemctl status` shows.
func Status(logger hclog.Logger, line string) { notify(logger, "STATUS="+line) }

// Extend asks systemd not to end a stop that takes its time before d has passed. Without it, one that takes longer than
// the unit's TimeoutStopSec is killed; a program that calls it again while it gets on is only killed when it hangs.
// systemd's watchdog does not look after a service that stops.
func Extend(logger hclog.Logger, d time.Duration) {
	notify(logger, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Watchdog returns what feeds systemd's watchdog, and how often it must be called at the least: half of the unit's
// WatchdogSec, or 0 where there is none. The function may be called more often, by one goroutine; it does not block.
// That systemd does not listen any more is logged when it begins, not at each call.
func Watchdog(logger hclog.Logger) (feed func(), atLeast time.Duration) {
	interval, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		logger.Warn("systemd's watchdog settings make no sense; it is not fed", "error", err)
		return func() {}, 0
	}
	if interval == 0 {
		return func() {}, 0
	}
	failing := false
	return func() {
		_, err := systemd.SdNotify(false, systemd.SdNotifyWatchdog)
		if err != nil && !failing {
			logger.Warn("systemd could not be told", "state", systemd.SdNotifyWatchdog, "error", err)
		}
		failing = err != nil
	}, interval / 2
}

func notify(logger hclog.Logger, state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		logger.Warn("systemd could not be told", "state", state, "error", err)
	}
}
