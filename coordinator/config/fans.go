package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/coordinator/fan"
	"github.com/bramblemesh/bramble/internal/document"
)

const defaultSetPoint = 55

func (r *reader) fans(v document.Value) {
	items := v.List()
	if len(items) > maxFans {
		v.Fault(fmt.Sprintf("%d fans: a case has at most %d", len(items), maxFans))
		return
	}
	names, outputs := map[string]string{}, map[string]string{}
	for _, item := range items {
		m := item.Map()
		if item.Faulty() {
			continue
		}
		path := fmt.Sprintf("Fans[%d].", len(r.cfg.Core.Fans))
		h := Fan{Name: r.name(path+"Name", m.Key("name"), "fan", names)}
		f := core.FanConfig{
			Name:            h.Name,
			Nodes:           r.cooled(path+"Nodes", m.Key("nodes")),
			SetPointCelsius: r.place(path+"SetPointCelsius", m.Key("set_point")).Celsius(defaultSetPoint, numbers{Of: "a set-point", Min: 20, Max: 100}),
			Controller:      r.controller(path+"Controller.", m),
		}
		output := m.Key("output").Required("how the fan is driven: pwm or hwmon")
		r.output(&h, output, outputs)
		if tach := m.Key("tach"); tach.Written() {
			t := tach.Map()
			h.Tach = &Tach{Line: r.line(t), Pulses: t.Key("pulses").Int(2, wholes{Of: "the pulses of a revolution", Min: 1, Max: 16})}
			if h.Hwmon != nil && h.Hwmon.Fan > 0 {
				tach.Fault("the driver reads the speed already (output.hwmon.fan): keep one of the two")
			}
		}
		f.Tach = h.Tach != nil || h.Hwmon != nil && h.Hwmon.Fan > 0
		f.ReadOnly = h.Hwmon != nil && !h.Hwmon.TakeOver
		r.belowLimits(m.Key("set_point"), f)
		r.cfg.Core.Fans = append(r.cfg.Core.Fans, f)
		r.cfg.Hardware.Fans = append(r.cfg.Hardware.Fans, h)
	}
}

// cooled reads the names of the nodes that a fan cools. Nothing written is all of them.
func (r *reader) cooled(path string, v document.Value) []string {
	items := v.List()
	switch {
	case v.Written() && !v.Faulty() && len(items) == 0:
		v.Fault("an empty list cools nothing: leave it out to cool every node, or name some")
	case len(items) > max(1, len(r.cfg.Core.Nodes)):
		v.Fault(fmt.Sprintf("names %d nodes of %d", len(items), len(r.cfg.Core.Nodes)))
		return nil
	}
	known := map[string]bool{}
	for _, n := range r.cfg.Core.Nodes {
		known[n.Name] = true
	}
	var names []string
	for i, item := range items {
		name := r.place(fmt.Sprintf("%s[%d]", path, i), item.Required("a node's name")).String("")
		if name != "" && !known[name] {
			item.Fault("no node has this name" + r.known())
		}
		names = append(names, name)
	}
	return names
}

// known says which nodes there are, as long as that is readable.
func (r *reader) known() string {
	nodes := r.cfg.Core.Nodes
	if len(nodes) == 0 || len(nodes) > 12 {
		return ""
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return "; there are " + strings.Join(names, ", ")
}

// output reads how a fan is driven. taken has the path of each output so far.
func (r *reader) output(h *Fan, v document.Value, taken map[string]string) {
	m := v.Map()
	pwm, hwmon := m.Key("pwm"), m.Key("hwmon")
	switch {
	case !v.Written() || v.Faulty():
		return
	case pwm.Written() == hwmon.Written():
		v.Fault("needs one of pwm (a pin of the header) and hwmon (a fan that a kernel driver owns)")
		return
	case pwm.Written():
		h.PWM = readPWM(pwm.Map())
		claim(pwm, fmt.Sprintf("pwm %s %d", h.PWM.Device, h.PWM.Channel), taken)
	default:
		h.Hwmon = readHwmon(hwmon)
		claim(hwmon, fmt.Sprintf("hwmon %s %s %d", h.Hwmon.Name, h.Hwmon.Device, h.Hwmon.PWM), taken)
	}
}

func claim(v document.Value, output string, taken map[string]string) {
	if other := taken[output]; other != "" {
		v.Fault("is the same output as " + other)
		return
	}
	taken[output] = v.Path()
}

func readPWM(m *document.Map) *PWM {
	hertz := m.Key("frequency").Int(25_000, wholes{Of: "a frequency in hertz", Min: 10, Max: 1_000_000})
	return &PWM{
		Device:            m.Key("device").String(""),
		Channel:           m.Key("channel").Int(0, wholes{Of: "a PWM channel", Min: 0, Max: 63}),
		PeriodNanoseconds: int(time.Second) / hertz,
		Inverted:          m.Key("inverted").Bool(false),
	}
}

func readHwmon(v document.Value) *Hwmon {
	m := v.Map()
	number := wholes{Of: "a number of the driver's", Min: 1, Max: 255}
	h := &Hwmon{
		Name:     m.Key("name").String(""),
		Device:   m.Key("device").String(""),
		PWM:      m.Key("pwm").Int(1, number),
		Fan:      m.Key("fan").Int(0, number),
		TakeOver: m.Key("kernel_fan").Choice("read", "read", "take_over") == "take_over",
	}
	if !h.TakeOver && h.Fan == 0 && !m.Key("fan").Written() && !v.Faulty() {
		v.Fault("a fan that is only read needs fan, the number of its tachometer; or kernel_fan: take_over")
	}
	return h
}

// controller reads the temper of a fan's control. Nothing written is the controller's own default.
func (r *reader) controller(path string, m *document.Map) fan.Config {
	at := func(field, key string) document.Value { return r.place(path+field, m.Key(key)) }
	c := fan.Config{
		MinimumDuty: at("MinimumDuty", "minimum_duty").Percent(0, numbers{Of: "a minimum duty", Min: 0.05, Max: 1}),
		MayStop:     m.Key("may_stop").Bool(false),
		StopBelowCelsius: at("StopBelowCelsius", "stop_below").
			Float(0, numbers{Of: "how far under its set-point a board must be for the fan to stop, in kelvins,", Min: 3, Max: 60}),
		RestartBelowCelsius: at("RestartBelowCelsius", "restart_below").
			Float(0, numbers{Of: "how far under its set-point a board is when the fan starts again, in kelvins,", Min: 1, Max: 57}),
		StartDuty:       at("StartDuty", "start_duty").Percent(0, numbers{Of: "a start duty", Min: 0.05, Max: 1}),
		StartFor:        at("StartFor", "start_for").Duration(0, durations{Of: "a start", Min: 100 * time.Millisecond, Max: 2 * time.Second}),
		SlewUp:          at("SlewUp", "slew_up").Percent(0, numbers{Of: "a rise per second", Min: 0.001, Max: 1}),
		SlewDown:        at("SlewDown", "slew_down").Percent(0, numbers{Of: "a fall per second", Min: 0.0005, Max: 1}),
		Gain:            at("Gain", "gain").Float(0, numbers{Of: "a gain", Min: 0.01, Max: 20}),
		IntegralTime:    at("IntegralTime", "integral_time").Duration(0, durations{Of: "an integral time", Min: 5 * time.Second, Max: time.Hour}),
		DerivativeTime:  at("DerivativeTime", "derivative_time").Duration(0, durations{Of: "a derivative time", Max: time.Minute}),
		FeedForwardTime: at("FeedForwardTime", "feed_forward_time").Duration(0, durations{Of: "a feed-forward time", Max: time.Minute}),
		DeadBandCelsius: at("DeadBandCelsius", "dead_band").Float(0, numbers{Of: "a dead band, in kelvins,", Min: 0.1, Max: 5}),
	}
	curve := at("Curve", "curve")
	for i, item := range curve.List() {
		p := item.Map()
		field := fmt.Sprintf("%sCurve[%d].", path, i)
		c.Curve = append(c.Curve, fan.Point{
			Duty:  r.place(field+"Duty", p.Key("duty").Required("the duty, such as 40%")).Percent(0, numbers{Of: "a duty", Max: 1}),
			Value: r.place(field+"Value", p.Key("rpm").Required("the speed at that duty")).Float(0, numbers{Of: "a speed in rpm", Max: 100_000}),
		})
	}
	return c
}

// belowLimits finds a set-point that a node which goes by it may never reach.
func (r *reader) belowLimits(v document.Value, f core.FanConfig) {
	cooled := map[string]bool{}
	for _, name := range f.Nodes {
		cooled[name] = true
	}
	for i, n := range r.cfg.Core.Nodes {
		applies := (f.Nodes == nil || cooled[n.Name]) && n.SetPointCelsius == 0 && n.LimitCelsius > 0
		if !applies || f.SetPointCelsius < n.LimitCelsius || v.Faulty() {
			continue
		}
		if v.Written() {
			v.Fault(fmt.Sprintf("must be below %s's limit of %gC, or that node needs a set_point of its own", n.Name, n.LimitCelsius))
			return
		}
		if limit := r.places[fmt.Sprintf("Nodes[%d].LimitCelsius", i)]; !limit.Faulty() {
			limit.Fault(fmt.Sprintf("must be above the set-point of fan %s, %gC, or the node needs a set_point of its own", f.Name, f.SetPointCelsius))
		}
	}
}
