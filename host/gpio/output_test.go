package gpio

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

var rail = Claim{Line: Line{"pinctrl-bcm2711", 17}, Consumer: "bramble/worker-1", Name: "rail.worker-1"}

// Whatever a free line is, taking it over changes nothing at the pin.
func TestFreeLineIsTakenOverAsItIs(t *testing.T) {
	for _, c := range []struct {
		name              string
		output, level     bool
		activeLow         bool
		stale             bool
		wantOn, wantInput bool
	}{
		{name: "input with pull-down", wantInput: true},
		{name: "input with pull-up", level: true, wantOn: true, wantInput: true},
		{name: "output low", output: true},
		{name: "output high", output: true, level: true, wantOn: true},
		{name: "output low, active low", output: true, activeLow: true, wantOn: true},
		{name: "input with pull-up, active low", level: true, activeLow: true, wantInput: true},
		{name: "input that the kernel still calls an output", level: true, stale: true, wantOn: true, wantInput: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := header()
			pin := k.pin(17)
			pin.change(func() { pin.outside, pin.stale = c.level, c.stale })
			if c.output {
				pin.history = nil
				k.asOutput(17, c.level)
			}
			claim := rail
			claim.ActiveLow = c.activeLow
			o, err := machine{k}.openOutput(claim, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := (Found{Input: c.wantInput, On: c.wantOn}); o.Found() != want {
				t.Errorf("found %+v, want %+v", o.Found(), want)
			}
			if on, err := o.On(); on != c.wantOn || err != nil {
				t.Errorf("on is %v, %v", on, err)
			}
			pin.wantHistory(t, c.level)
			k.wantRequests(t, "open gpiochip0/17 bramble/worker-1", "configure gpiochip0/17")

			if err := errors.Join(o.Set(!c.wantOn), o.Set(!c.wantOn)); err != nil {
				t.Fatal(err)
			}
			if on, err := o.On(); on == c.wantOn || err != nil {
				t.Errorf("switched, it is %v, %v", on, err)
			}
			pin.wantHistory(t, c.level, !c.level)
		})
	}
}

// A kept descriptor goes on as it was, whatever the configuration calls on now.
func TestKeptOutputIsAdopted(t *testing.T) {
	for _, activeLow := range []bool{false, true} {
		k := header()
		first, err := machine{k}.openOutput(rail, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Set(true); err != nil {
			t.Fatal(err)
		}
		other := Claim{Line: Line{"pinctrl-bcm2711", 27}, Consumer: "bramble/worker-2", Name: "rail.worker-2"}
		if _, err := (machine{k}).openOutput(other, nil); err != nil {
			t.Fatal(err)
		}
		k.requests = nil
		claim := rail
		claim.ActiveLow = activeLow
		second, err := machine{k}.openOutput(claim, k.restart(map[int]string{3: "listener", 127: "rail.worker-2", first.FD(): "rail.worker-1"}))
		if err != nil {
			t.Fatal(err)
		}
		if want := (Found{Kept: true, On: !activeLow}); second.Found() != want || second.FD() != first.FD() {
			t.Errorf("found %+v, want %+v", second.Found(), want)
		}
		if on, err := second.On(); on == activeLow || err != nil {
			t.Errorf("on is %v, %v", on, err)
		}
		k.pin(17).wantHistory(t, false, true)
		if activeLow {
			k.wantRequests(t, "configure gpiochip0/17")
		} else {
			k.wantRequests(t)
		}
	}
}

// The name under which a line was kept may be that of another configuration.
func TestKeptNameThatMeansAnotherLine(t *testing.T) {
	k := header()
	moved := rail
	moved.Line.Offset = 27
	old, err := machine{k}.openOutput(moved, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Set(true); err != nil {
		t.Fatal(err)
	}
	o, err := machine{k}.openOutput(rail, k.restart(map[int]string{old.FD(): rail.Name}))
	if err != nil || o.Found().Kept || o.FD() == old.FD() {
		t.Fatalf("%v: found %+v", err, o.Found())
	}
	k.pin(27).wantHistory(t, false, true)

	// On an older kernel name and consumer decide, and the consumer is that of the line.
	k.silent = true
	k.devices["gpiochip0"].held[27] = "bramble/worker-2"
	_, err = machine{k}.openOutput(moved, k.restart(map[int]string{old.FD(): "rail.worker-1"}))
	if busy, ok := errors.AsType[*BusyError](err); !ok || busy.Holder != "bramble/worker-2" {
		t.Errorf("error %v", err)
	}
	k.devices["gpiochip0"].held[27] = "bramble/worker-1"
	o, err = machine{k}.openOutput(moved, k.restart(map[int]string{old.FD(): "rail.worker-1"}))
	if err != nil || !o.Found().Kept {
		t.Errorf("name and consumer agree: %v", err)
	}
}

// A chip that went away and came back leaves descriptors that hold nothing.
func TestDeadDescriptorIsPassedOver(t *testing.T) {
	k := header()
	dead := &simulatedLine{name: "gpiochip0/17", fault: syscall.ENODEV}
	k.open = map[int]*simulatedLine{200: dead}
	o, err := machine{k}.openOutput(rail, k.restart(map[int]string{200: rail.Name}))
	if err != nil || o.Found().Kept {
		t.Errorf("%v: found %+v", err, o)
	}
}

func TestSecondHolderIsNamed(t *testing.T) {
	k := header()
	if _, err := (machine{k}).openOutput(rail, nil); err != nil {
		t.Fatal(err)
	}
	_, err := machine{k}.openOutput(rail, nil)
	busy, ok := errors.AsType[*BusyError](err)
	if !ok || busy.Holder != "bramble/worker-1" {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{"pinctrl-bcm2711/17", "bramble/worker-1", "another coordinator", "bramble-rails"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %q", part, err)
		}
	}
	k.pin(17).wantHistory(t, false)
}

func TestConsumerIsCut(t *testing.T) {
	k := header()
	claim := rail
	claim.Consumer = "bramble/a-name-of-24-characters"
	claim.Consumer += "+"
	first, err := machine{k}.openOutput(claim, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.silent = true
	again, err := machine{k}.openOutput(claim, k.restart(map[int]string{first.FD(): claim.Name}))
	if err != nil || !again.Found().Kept {
		t.Errorf("the cut name is not the same: %v", err)
	}
}

// What cannot be made an output is let go of only if that changes nothing.
func TestFailedTakeOver(t *testing.T) {
	for _, output := range []bool{false, true} {
		k := header()
		pin := k.pin(17)
		pin.change(func() {})
		if output {
			k.asOutput(17, true)
		}
		before := len(pin.history)
		pin.onRead = func() { pin.fault = syscall.EIO }
		if _, err := (machine{k}).openOutput(rail, nil); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "take over") {
			t.Fatalf("error %v", err)
		}
		if _, open := k.open[117]; open != output {
			t.Errorf("an output %v: still held %v", output, open)
		}
		if len(pin.history) != before {
			t.Errorf("an output %v: levels %v", output, pin.history)
		}
	}
}

func TestClosedOutput(t *testing.T) {
	k := header()
	o, err := machine{k}.openOutput(rail, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(o.Set(true), o.Close()); err != nil {
		t.Fatal(err)
	}
	k.pin(17).wantHistory(t, false, true, false) // no persistence
	if !errors.Is(o.Set(true), os.ErrClosed) || !errors.Is(o.Close(), os.ErrClosed) || o.FD() >= 0 {
		t.Errorf("closed, its descriptor is %d", o.FD())
	}
	if _, err := o.On(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("error %v", err)
	}
}

func TestDescribe(t *testing.T) {
	k := header()
	o, err := machine{k}.openOutput(rail, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Set(true); err != nil {
		t.Fatal(err)
	}
	if text, on, err := (machine{k}).describe(o.FD()); text != "gpiochip0/17 is on" || !on || err != nil {
		t.Errorf("%q, %v, %v", text, on, err)
	}
	k.silent = true
	if text, on, err := (machine{k}).describe(o.FD()); text != "a line is on" || !on || err != nil {
		t.Errorf("%q, %v, %v", text, on, err)
	}
	if _, _, err := (machine{k}).describe(5); err == nil {
		t.Error("a socket is described")
	}
}
