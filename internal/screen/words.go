package screen

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

const none = "-"

// Duration says how long in at most two units: "0.4 s", "12 s", "3 m 5 s", "2 h", "4 d 1 h". Negative is "0 s".
func Duration(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 9950*time.Millisecond:
		return number(d.Seconds()) + " s"
	case d.Round(time.Second) < time.Minute:
		return strconv.Itoa(int(d.Round(time.Second).Seconds())) + " s"
	case d.Round(time.Second) < time.Hour:
		return units(d.Round(time.Second), time.Minute, "m", time.Second, "s")
	case d.Round(time.Minute) < 24*time.Hour:
		return units(d.Round(time.Minute), time.Hour, "h", time.Minute, "m")
	}
	return units(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

// brief is how long in one unit, for a column: "0.4 s", "4 s", "3 m".
func brief(d time.Duration) string {
	if d >= time.Second {
		d = d.Truncate(time.Second)
	}
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= unit {
			d = d.Truncate(unit)
		}
	}
	return Duration(d)
}

func units(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d %s", d/large, largeName)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return text
}

func milliseconds(n uint64) time.Duration {
	const longest = uint64(math.MaxInt64 / int64(time.Millisecond))
	return time.Duration(min(n, longest)) * time.Millisecond
}

// number has one decimal where it says something.
func number(x float64) string {
	return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64)
}

func percent(fraction float64) string { return number(100*fraction) + " %" }

// kelvin is a difference between temperatures.
func kelvin(t float64) string { return fmt.Sprintf("%.1f K", t) }

func celsius(t float64) string { return fmt.Sprintf("%.1f C", t) }

// clock is a time of day, with the weekday if it is not today.
func (s Screen) clock(t time.Time) string {
	t = t.In(s.Now.Location())
	if t.YearDay() != s.Now.YearDay() || t.Year() != s.Now.Year() {
		return t.Format("Mon 15:04:05")
	}
	return t.Format(time.TimeOnly)
}

// about is a message without the subject that it begins with: the column before has it.
func about(subject, message string) string {
	rest, ok := strings.CutPrefix(message, subject)
	if !ok || subject == "" {
		return message
	}
	for _, separator := range []string{": ", "; ", "/", "'s ", " "} {
		if text, ok := strings.CutPrefix(rest, separator); ok {
			return text
		}
	}
	return message
}

// word is the name of an enum's value without its prefix, in lower case.
func word(value fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value.String(), prefix), "_", " "))
}

func presence(p coordinatorv1.Presence) (string, style) {
	switch p {
	case coordinatorv1.Presence_PRESENCE_UNSPECIFIED:
		return none, plain
	case coordinatorv1.Presence_PRESENCE_LIVE:
		return "live", plain
	case coordinatorv1.Presence_PRESENCE_UNREACHABLE:
		return "unreachable", red
	}
	return word(p, "PRESENCE_"), yellow
}

func rail(r coordinatorv1.RailState) string {
	if r == coordinatorv1.RailState_RAIL_STATE_UNSPECIFIED {
		return none
	}
	return word(r, "RAIL_STATE_")
}

func fanMode(m coordinatorv1.FanMode) (string, style) {
	switch m {
	case coordinatorv1.FanMode_FAN_MODE_UNSPECIFIED:
		return "", plain
	case coordinatorv1.FanMode_FAN_MODE_FAIL_SAFE:
		return "fail-safe", red
	}
	return word(m, "FAN_MODE_"), plain
}

func shutdown(k agentv1.ShutdownKind) string {
	switch k {
	case agentv1.ShutdownKind_SHUTDOWN_KIND_POWER_OFF:
		return "is powering off"
	case agentv1.ShutdownKind_SHUTDOWN_KIND_REBOOT:
		return "is rebooting"
	}
	return ""
}

func flagName(f agentv1.Flag) string {
	switch f {
	case agentv1.Flag_FLAG_UNDER_VOLTAGE:
		return "under-voltage"
	case agentv1.Flag_FLAG_FREQUENCY_CAPPED:
		return "clock capped"
	case agentv1.Flag_FLAG_SOFT_TEMPERATURE_LIMIT:
		return "soft limit"
	}
	return word(f, "FLAG_")
}

// shortBoard is what people call a board: "Pi 4B" for "Raspberry Pi 4 Model B Rev 1.2".
func shortBoard(b *agentv1.Board) string {
	model, _, _ := strings.Cut(b.GetModel(), " Rev ")
	if model == "" {
		return none
	}
	const pi = "Raspberry Pi"
	if !strings.HasPrefix(model, pi) {
		return model
	}
	return "Pi" + strings.NewReplacer("Compute Module", "CM", " Model ", digitBefore(model), " Plus", "+").Replace(model[len(pi):])
}

// clip cuts text that would make a column too wide.
func clip(text string, width int) string {
	runes := []rune(text)
	if len(runes) <= width {
		return text
	}
	return strings.TrimRight(string(runes[:width-2]), " ") + ".."
}

// digitBefore is what stands for " Model ": nothing after the board's number, as in "4B", else a space.
func digitBefore(model string) string {
	before, _, _ := strings.Cut(model, " Model ")
	if last := before[len(before)-1]; last >= '0' && last <= '9' {
		return ""
	}
	return " "
}

// value is a measurement in its unit; ok is false where there is none, and the text then says why.
func value(m *coordinatorv1.Measurement) (text string, ok bool) {
	switch v := m.GetValue().(type) {
	case *coordinatorv1.Measurement_Celsius:
		return celsius(float64(v.Celsius)), true
	case *coordinatorv1.Measurement_Hertz:
		return number(float64(v.Hertz)/1e6) + " MHz", true
	case *coordinatorv1.Measurement_MegabitsPerSecond:
		if v.MegabitsPerSecond == 0 {
			return "no carrier", true
		}
		return fmt.Sprintf("%d Mbit/s", v.MegabitsPerSecond), true
	case *coordinatorv1.Measurement_Error:
		return "failed: " + v.Error, false
	}
	return none, false
}
