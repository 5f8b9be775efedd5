package main

import (
	"fmt"
	"strings"

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
	if len(cfg.Power.Nodes) > 0 || cfg.Power.SupplyAmperes > 0 {
		lines = append(lines, "switch no rail: this version reads power and supply, and keeps them for a later one")
	}
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
	for _, p := range cfg.Power.Nodes {
		if p.Node == n.Name && p.Rail != nil {
			parts = append(parts, fmt.Sprintf("rail %s", p.Rail.Line))
		}
		if p.Node == n.Name && p.Done != nil {
			parts = append(parts, fmt.Sprintf("done line %s", p.Done.Line))
		}
	}
	return strings.Join(parts, ", ")
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
