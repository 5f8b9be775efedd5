package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/user"

	"github.com/bramblemesh/bramble/host/doneline"
	"github.com/bramblemesh/bramble/host/logind"
)

// agentsUser is the user that the unit runs the agent as, whose right to power off counts.
const agentsUser = "bramble-agent"

// doneLine says who raises the done line at the end of a power-off, and whether it would rise.
func (e *examination) doneLine(s settings) {
	signal := doneline.Find(doneline.Config{Root: e.root, Helper: s.done})
	f := finding{Item: "done line", State: stateOK, Source: signal.Source}
	switch signal.Mechanism {
	case doneline.Overlay:
		level := "high"
		if signal.ActiveLow {
			level = "low"
		}
		f.Found = fmt.Sprintf("the gpio-poweroff overlay raises %v: active %s, %d ms on, %d ms off, timeout %d ms", signal.Line, level,
			signal.ActiveDelay.Milliseconds(), signal.InactiveDelay.Milliseconds(), signal.Timeout.Milliseconds())
	case doneline.Helper:
		f.Found = fmt.Sprintf("bramble-done raises %v on poweroff and halt", signal.Line)
	default:
		f.State, f.Found = stateInfo, "no gpio-poweroff overlay and no done in the settings: only a rail that is switched needs one"
		f.Advice = "dtoverlay=gpio-poweroff,gpiopin=26 in config.txt on a Raspberry Pi, or done: {line: 26} in " + s.file()
	}
	if signal.Trouble != "" {
		f.State, f.Found, f.Source = stateWrong, signal.Trouble, ""
	}
	e.add(f)
}

// shutdowns asks logind whether this user may power off, and how long it waits for notices.
func (e *examination) shutdowns() {
	if !isLive(e.root) {
		e.add(finding{Item: "shutdowns", State: stateUnsupported, Found: "only this machine's own logind can be asked"})
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	report, err := logind.New(logind.Config{}).Examine(ctx)
	if err != nil {
		e.failure("shutdowns", err)
		return
	}
	e.add(finding{Item: "shutdowns", State: stateOK, Found: fmt.Sprintf("logind tells of them, and waits %v at most for the notice to be sent", report.MaxDelay)})
	name := "this user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	e.add(powerOffFound(name, report.PowerOff))
}

// powerOffFound says what it means that a user may power off, or may not: the agent's right is what counts.
func powerOffFound(name string, refusal error) finding {
	f := finding{Item: "power-off", State: stateOK, Found: name + " may power off and reboot"}
	switch {
	case refusal == nil:
	case errors.Is(refusal, errors.ErrUnsupported):
		f.State, f.Found = stateUnsupported, refusal.Error()
	case errors.Is(refusal, fs.ErrPermission) && name != agentsUser:
		f.State, f.Found = stateInfo, name+" may not power off"
	case errors.Is(refusal, logind.ErrBlocked):
		f.State, f.Found = stateInfo, refusal.Error()
	default:
		f.State, f.Found = stateWrong, refusal.Error()
	}
	if name != agentsUser && f.State != stateUnsupported {
		f.Advice = "what counts is: sudo -u " + agentsUser + " bramble-agent doctor"
	}
	return f
}
