package screen

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// Fans is everything about each fan and why it runs as it does.
func (s Screen) Fans(fans []*coordinatorv1.Fan) string {
	if len(fans) == 0 {
		return "this case has no fan\n"
	}
	blocks := make([]string, len(fans))
	for i, f := range fans {
		blocks[i] = s.columns(s.fan(f))
	}
	return strings.Join(blocks, "\n")
}

func (s Screen) fan(f *coordinatorv1.Fan) [][]cell {
	mode, modeStyle := fanMode(f.GetMode())
	duty := drive(f)
	if least := f.GetMinimumDutyFraction(); least > 0 {
		duty += ", at least " + percent(least) + " when it runs"
	}
	rows := [][]cell{
		{{text: "fan " + f.GetName(), style: bold}, {text: duty}},
		{{text: "speed"}, speed(f)},
		{{text: "mode"}, {text: orNone(mode), style: modeStyle}},
		row("reason", orNone(why(f))),
	}
	if o := f.GetOverride(); o != nil {
		held := fmt.Sprintf("%s, %s left, until %s", percent(o.GetDutyFraction()), Duration(milliseconds(o.GetRemainingMilliseconds())), s.end(o))
		if f.GetMode() == coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE {
			held += ", outranked by fail-safe"
		}
		rows = append(rows, row("override", held))
	}
	if f.GetLead() != nil {
		rows = append(rows, row("led by", led(f)))
	}
	if t := f.GetTerms(); proto.Size(t) > 0 { // all zero where the rule did not run
		rows = append(rows, row("terms", fmt.Sprintf("proportional %s, integral %s, derivative %s, feed-forward %s; sum %s before limits",
			percent(t.GetProportional()), percent(t.GetIntegral()), percent(t.GetDerivative()), percent(t.GetFeedForward()), percent(t.GetUnlimited()))))
	}
	return append(rows, row("bound", orNone(shaped(f))), row("cools", join(", ", f.GetNodes()...)))
}

// speed is what the tach says against what the curve promises.
func speed(f *coordinatorv1.Fan) cell {
	expected := ""
	if f.ExpectedRpm != nil {
		expected = fmt.Sprintf(", expected %.0f rpm", f.GetExpectedRpm())
	}
	switch {
	case f.GetTachError() != "":
		return cell{text: "failed: " + f.GetTachError() + expected, style: yellow}
	case f.Rpm == nil && expected == "":
		return cell{text: "unsupported: no tach"}
	case f.Rpm == nil:
		return cell{text: "not measured yet" + expected}
	case f.GetStalled():
		return cell{text: fmt.Sprintf("%.0f rpm%s: STALLED", f.GetRpm(), expected), style: red}
	}
	return cell{text: fmt.Sprintf("%.0f rpm%s", f.GetRpm(), expected)}
}

// turns is the speed in two or three words.
func turns(f *coordinatorv1.Fan) string {
	switch {
	case f.GetTachError() != "":
		return "speed unknown"
	case f.Rpm == nil && f.ExpectedRpm == nil:
		return "no tach"
	case f.Rpm == nil:
		return "no speed yet"
	case f.GetStalled():
		return fmt.Sprintf("STALLED at %.0f rpm", f.GetRpm())
	}
	return fmt.Sprintf("%.0f rpm", f.GetRpm())
}

// summary is a fan in one line: duty, speed, who decides, why.
func summary(f *coordinatorv1.Fan) cell {
	mode, style := fanMode(f.GetMode())
	if f.GetStalled() {
		style = red
	}
	if f.GetMode() == coordinatorv1.FanMode_FAN_MODE_READ_ONLY {
		mode = "" // who drives it has been said
	}
	return cell{text: join(": ", join(", ", drive(f), turns(f), mode), why(f)), style: style}
}

// why is the reason without "40 % auto: ", which it may begin with: duty and mode have been said.
func why(f *coordinatorv1.Fan) string {
	before, after, ok := strings.Cut(f.GetReason(), ": ")
	if words := strings.Fields(before); ok && len(words) == 3 && words[1] == "%" {
		return after
	}
	return f.GetReason()
}

// drive is the duty, where bramble drives the fan.
func drive(f *coordinatorv1.Fan) string {
	switch {
	case f.DutyFraction == nil:
		return "kernel-driven"
	case f.GetWriteError() != "":
		return percent(f.GetDutyFraction()) + " not taken: " + f.GetWriteError()
	}
	return percent(f.GetDutyFraction())
}

// shaped is the limit that shaped the duty last.
func shaped(f *coordinatorv1.Fan) string {
	switch f.GetBound() {
	case coordinatorv1.FanBound_FAN_BOUND_UNSPECIFIED:
		return ""
	case coordinatorv1.FanBound_FAN_BOUND_FAIL_SAFE:
		return "fail-safe"
	}
	return word(f.GetBound(), "FAN_BOUND_")
}

// led is the sensor that decided. One that could not be read is named without figures.
func led(f *coordinatorv1.Fan) string {
	lead := f.GetLead()
	where := join(" ", lead.GetNode(), lead.GetSensor())
	if lead.Celsius == nil {
		return where
	}
	side := "over"
	if lead.GetErrorCelsius() < 0 {
		side = "under"
	}
	return fmt.Sprintf("%s at %s, %s %s its set-point", where, celsius(lead.GetCelsius()),
		kelvin(max(lead.GetErrorCelsius(), -lead.GetErrorCelsius())), side)
}

// end is the time of day at which an override ends.
func (s Screen) end(o *coordinatorv1.FanOverride) string {
	return s.clock(s.Now.Add(milliseconds(o.GetRemainingMilliseconds()).Round(time.Second)))
}

// FanSet says what a fan does after it was set. A duty that fail-safe outranks is not called done.
func (s Screen) FanSet(f *coordinatorv1.Fan) string {
	o := f.GetOverride()
	failSafe := f.GetMode() == coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE
	var text string
	switch {
	case o == nil && failSafe:
		text = fmt.Sprintf("fan %s is automatic again, but fail-safe at %s: %s", f.GetName(), percent(f.GetDutyFraction()), why(f))
	case o == nil:
		text = fmt.Sprintf("fan %s is automatic, now at %s", f.GetName(), percent(f.GetDutyFraction()))
	case failSafe:
		text = fmt.Sprintf("fan %s stays fail-safe at %s: %s; %s counts only once that ends, until %s",
			f.GetName(), percent(f.GetDutyFraction()), why(f), percent(o.GetDutyFraction()), s.end(o))
	default:
		text = fmt.Sprintf("fan %s at %s until %s, then automatic", f.GetName(), percent(o.GetDutyFraction()), s.end(o))
	}
	return s.columns([][]cell{row(text)})
}
