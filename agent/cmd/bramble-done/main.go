// Command bramble-done raises a board's done line at the end of a power-off, so that whoever watches the other end of the
// wire may take the board's power away.
//
// systemd-shutdown calls it, as /usr/lib/systemd/system-shutdown/bramble-done, with one argument: poweroff, halt, reboot
// or kexec. Everything has been killed and unmounted by then and the root is read-only; there is no journal, no bus and
// no network. On poweroff and halt it raises the line, on the others it does nothing: a board that comes back must not
// look as if it had ended.
//
// The kernel lets go of a line when the last holder of its descriptor ends, and systemd-shutdown waits for this program
// before it goes on. So it leaves a copy of itself behind that holds the line until the processor stops. On boards whose
// halt resets the chip, as a Raspberry Pi's does, that is a few hundredths of a second later, and the line falls with it:
// so the program itself stays for a second, twice as long as a watcher wants the line to be high. The last sync and the
// drivers' shutdown come after that: the watcher has to wait some seconds after the line's rise.
//
// The line is the one that bramble-agent left word of (package doneline); without it nothing is raised, and the
// power stays on. What is done is said on the kernel's log, where the console and a watchdog's records can see it.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bramblemesh/bramble/host/doneline"
	"github.com/bramblemesh/bramble/host/gpio"
)

// heldAs is the argument of the copy that holds the line, whose descriptor is its first beside the standard ones.
const heldAs = "hold-the-line"

// hold is how long the line is high before the shutdown goes on. The coordinator's proof is 500 ms.
const hold = time.Second

func main() {
	os.Exit(run(os.Args[1:], say, doneline.ReadSettings, doneline.Raise, func() { time.Sleep(hold) }))
}

// run does what one call asks for and returns the exit code. stay is called while a line is raised.
func run(args []string, say func(string), settings func(root string) (gpio.Line, error), raise func(gpio.Line) (*os.File, error), stay func()) int {
	if len(args) == 1 {
		switch args[0] {
		case "poweroff", "halt":
			text, err := done(settings, raise)
			if err != nil {
				say("the done line is not raised, so the power should stay on: " + err.Error())
				return 1
			}
			say(text)
			stay()
			return 0
		case "reboot", "kexec":
			return 0
		case heldAs:
			for {
				unix.Pause()
			}
		}
	}
	fmt.Fprintln(os.Stderr, "bramble-done is called by systemd-shutdown, with one of: poweroff, halt, reboot, kexec")
	return 2
}

// done raises the line and leaves it to a copy of this program.
func done(settings func(root string) (gpio.Line, error), raise func(gpio.Line) (*os.File, error)) (string, error) {
	line, err := settings("/")
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("bramble-agent has left no word of a line in this boot: %w", err)
	} else if err != nil {
		return "", err
	}
	raised, err := raise(line)
	if err != nil {
		return "", err
	}
	defer raised.Close()
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("line %v rises for a moment only: %w", line, err)
	}
	holder := exec.Cmd{
		Path:        self,
		Args:        []string{os.Args[0], heldAs},
		ExtraFiles:  []*os.File{raised},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := holder.Start(); err != nil {
		return "", fmt.Errorf("line %v rises for a moment only: %w", line, err)
	}
	return fmt.Sprintf("done line %v is raised, process %d holds it: the power may go in a few seconds", line, holder.Process.Pid), nil
}

// say tells the kernel's log, as a notice of a daemon (syslog's 3<<3 | 5). There is nobody else to tell.
func say(text string) {
	log, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bramble-done: "+text)
		return
	}
	defer log.Close()
	fmt.Fprintf(log, "<29>bramble-done: %s\n", text)
}
