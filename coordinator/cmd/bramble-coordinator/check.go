package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/identity"
)

// check says what `run` would do with the configuration.
func (c *cli) check() error {
	cfg, err := config.Load(c.config)
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("look after case %s: %d nodes, %d fans", cfg.Core.Case, len(cfg.Core.Nodes), len(cfg.Core.Fans))}
	for _, address := range cfg.Listen {
		lines = append(lines, "listen on "+address+secured(address, cfg))
	}
	if cfg.TLS != nil {
		source, err := identity.Load(*cfg.TLS, nil)
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("be known by %s, valid until %s", cfg.TLS.Certificate, source.Certificate().NotAfter.UTC().Format("2006-01-02")))
	}
	for _, n := range cfg.Core.Nodes {
		lines = append(lines, node(n, cfg))
	}
	for i, f := range cfg.Core.Fans {
		lines = append(lines, fan(f, cfg.Hardware.Fans[i]))
	}
	lines = append(lines, supply(cfg)...)
	return c.say("%s is in order; run would\n  %s", c.config, strings.Join(lines, "\n  "))
}

func secured(address string, cfg *config.Config) string {
	switch {
	case isSocket(address):
		return ""
	case cfg.TLS != nil:
		return " (mutual TLS)"
	}
	return " (plain, this machine only)"
}

func isSocket(address string) bool { return strings.HasPrefix(address, "unix:") }

func node(n core.NodeConfig, cfg *config.Config) string {
	parts := []string{fmt.Sprintf("follow %s at %s%s", n.Name, n.Address, secured(n.Address, cfg))}
	if n.SetPointCelsius > 0 {
		parts = append(parts, fmt.Sprintf("set-point %gC", n.SetPointCelsius))
	}
	if n.LimitCelsius > 0 {
		parts = append(parts, fmt.Sprintf("limit %gC", n.LimitCelsius))
	}
	if n.Maintenance {
		parts = append(parts, "in maintenance")
	}
	if n.Power.Master {
		parts = append(parts, "the machine this runs on")
	}
	for _, r := range cfg.Hardware.Rails {
		if r.Node == n.Name {
			parts = append(parts, switched(r))
		}
	}
	for _, d := range cfg.Hardware.DoneLines {
		if d.Node == n.Name {
			parts = append(parts, fmt.Sprintf("done line %s", d.Line))
		}
	}
	parts = append(parts, risks(n, cfg)...)
	if len(n.After) > 0 {
		parts = append(parts, "after "+strings.Join(n.After, ", "))
	}
	return strings.Join(parts, ", ")
}

// switched says what switches a feed.
func switched(r config.Rail) string {
	if r.Command != nil {
		return "rail by " + r.Command.On[0]
	}
	low := ""
	if r.Line.ActiveLow {
		low = " active low"
	}
	switch r.Line.ResetLevel {
	case "on":
		return fmt.Sprintf("rail %s%s, on while nobody drives it", r.Line.Line, low)
	case "off":
		return fmt.Sprintf("rail %s%s, OFF while nobody drives it: a reset of this machine cuts it", r.Line.Line, low)
	}
	return fmt.Sprintf("rail %s%s, whose level while nobody drives it is not said (reset_level)", r.Line.Line, low)
}

// longestStop is what a shutdown of this machine leaves a worker, of the 28 minutes of bramble-stop-order.service.
const longestStop = 25 * time.Minute

// risks says where the configuration allows a cut that nobody proved to be safe, and where it allows less than it seems.
func risks(n core.NodeConfig, cfg *config.Config) []string {
	var out []string
	if n.Rail && !n.Power.Line {
		out = append(out, "NO DONE LINE: nothing but --force cuts it, or a time that you set")
	}
	s := cfg.Core.Supply
	if own := max(n.BootPeakAmperes, n.MaximumAmperes); n.Rail && s.LimitAmperes > 0 && s.FixedAmperes+own > s.LimitAmperes+1e-9 {
		out = append(out, fmt.Sprintf("NEVER STARTED: its %gA and the %gA that are always on exceed the supply's %gA", own, s.FixedAmperes, s.LimitAmperes))
	}
	if n.Rail && n.Power.StopDeadline > longestStop {
		out = append(out, fmt.Sprintf("stop_deadline %s, though systemd forces a shutdown of this machine after 30 minutes", n.Power.StopDeadline))
	}
	if n.Power.TrustWiring {
		out = append(out, "its wiring trusted without a test")
	}
	if n.Power.CutStuckAfter > 0 {
		out = append(out, fmt.Sprintf("CUT WITHOUT PROOF when stuck for %s", n.Power.CutStuckAfter))
	}
	if n.Power.FenceLostAfter > 0 {
		out = append(out, fmt.Sprintf("CUT WITHOUT PROOF when lost for %s", n.Power.FenceLostAfter))
	}
	return out
}

// supply says what the starts must keep to, and what an outage means.
func supply(cfg *config.Config) []string {
	if len(cfg.Hardware.Rails) == 0 {
		return nil
	}
	s := cfg.Core.Supply
	limit := "switch on without a limit, since supply.limit is not set"
	if s.LimitAmperes > 0 {
		limit = fmt.Sprintf("keep the supply under %gA, %gA of them always on", s.LimitAmperes, s.FixedAmperes)
	}
	lines := []string{
		fmt.Sprintf("%s; %s between two starts, %s without under-voltage before one", limit, s.Stagger, s.Settle),
		fmt.Sprintf("after an outage: %s; operations and proofs in %s", cfg.Core.AfterOutage, cfg.State),
	}
	if !slices.ContainsFunc(cfg.Core.Nodes, func(n core.NodeConfig) bool { return n.Power.Master }) {
		lines = append(lines, "take no node for the machine this runs on: if it is one of them, mark it with master: true, or case stop powers it off like a worker")
	}
	return lines
}

func fan(f core.FanConfig, h config.Fan) string {
	parts := []string{fmt.Sprintf("drive fan %s by %s", f.Name, output(h))}
	if f.ReadOnly {
		parts[0] = fmt.Sprintf("read fan %s of %s and leave it to the kernel", f.Name, output(h))
	}
	switch {
	case h.Tach != nil:
		parts = append(parts, fmt.Sprintf("speed from %s", h.Tach.Line))
	case f.Tach:
		parts = append(parts, fmt.Sprintf("speed from its fan%d_input", h.Hwmon.Fan))
	default:
		parts = append(parts, "speed unknown, so that a stall is not seen")
	}
	if !f.ReadOnly {
		who := "every node"
		if f.Nodes != nil {
			who = strings.Join(f.Nodes, ", ")
		}
		parts = append(parts, fmt.Sprintf("to hold %s at %gC", who, f.SetPointCelsius))
	}
	return strings.Join(parts, ", ")
}

func output(h config.Fan) string {
	if h.PWM != nil {
		device := h.PWM.Device
		if device == "" {
			device = "the header"
		}
		inverted := ""
		if h.PWM.Inverted {
			inverted = ", inverted"
		}
		return fmt.Sprintf("PWM channel %d of %s at %g kHz%s", h.PWM.Channel, device, 1e6/float64(h.PWM.PeriodNanoseconds), inverted)
	}
	name := h.Hwmon.Name
	if name == "" {
		name = "the only one with a fan"
	}
	return fmt.Sprintf("hwmon %s, pwm%d", name, h.Hwmon.PWM)
}
