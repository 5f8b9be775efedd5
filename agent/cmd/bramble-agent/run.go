package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/host/board"
	"github.com/bramblemesh/bramble/host/doneline"
	"github.com/bramblemesh/bramble/host/led"
	"github.com/bramblemesh/bramble/host/logind"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/daemon"
)

// run serves this board until a signal comes.
func run(ctx context.Context, o options, stderr io.Writer) error {
	s, err := readSettings(o)
	if err != nil {
		return err
	}
	logger, err := s.log.Logger("bramble-agent", stderr)
	if err != nil {
		return err
	}
	return daemon.Run(ctx, logger, func(ctx context.Context) error { return serve(ctx, s, o.root, logger) })
}

// serve builds the agent from what the board has and serves it.
func serve(ctx context.Context, s settings, root string, logger hclog.Logger) error {
	feed, atLeast := daemon.Watchdog(logger)
	if atLeast > 0 && s.interval > atLeast {
		return fmt.Errorf("interval: %v: systemd's watchdog wants a sign of life every %v: shorten the interval or lengthen WatchdogSec in the unit", s.interval, atLeast)
	}
	if why := s.slow(); why != "" {
		logger.Warn("long interval, 2s or less is heard in time", "reason", why)
	}
	secure, err := serverCredentials(s, logger)
	if err != nil {
		return err
	}
	cfg, err := boardConfig(s, root)
	if err != nil {
		return err
	}
	ready := sync.OnceFunc(func() { daemon.Ready(logger) }) // with the first sample, since when it can answer
	cfg.Credentials, cfg.Logger = secure, logger
	cfg.Alive = func() {
		ready()
		feed()
	}
	listeners, err := daemon.ListenAll(s.listen)
	if err != nil {
		return fmt.Errorf("%w (key listen in %s)", err, s.file())
	}
	line := doneline.Open(doneline.Config{Root: root, Helper: s.done}) // not before it is known that no other agent runs
	defer line.Close()
	cfg.DoneLine = doneLine{line}
	node, err := agent.New(cfg)
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	for _, l := range listeners {
		logger.Info("serving", "node", cfg.Name, "address", l.Addr().String())
	}
	return node.Serve(ctx, listeners...)
}

// file is where to change settings.
func (s settings) file() string {
	if s.source == "" {
		return defaultConfig
	}
	return s.source
}

func serverCredentials(s settings, logger hclog.Logger) (credentials.TransportCredentials, error) {
	if s.tls == (identity.Files{}) {
		return nil, nil
	}
	source, err := identity.Load(s.tls, logger.Named("identity"))
	if err != nil {
		return nil, err
	}
	return source.Server(), nil
}

// boardConfig says what the machine under root is and what it has.
func boardConfig(s settings, root string) (agent.Config, error) {
	machine, err := board.Read(root)
	if err != nil {
		return agent.Config{}, err
	}
	found, capabilities := openSensors(root)
	word := &throttling{root: root}
	word.open(time.Now())
	if word.source != nil && word.source.Denied() != nil {
		capabilities = append(capabilities, agent.Capability{
			Kind: agent.ThrottlingCapability, State: agent.Available,
			Source: word.Source(), Detail: word.source.Denied().Error(),
		})
	}
	cfg := agent.Config{
		Name:      nodeName(s, machine),
		Version:   daemon.Version(),
		BootID:    machine.BootID,
		Uptime:    uptime,
		Board:     describe(machine),
		Thermal:   found,
		Throttle:  word,
		StatePath: s.state,
		Interval:  s.interval,

		OperationsPath: s.operations(),
		PowerOffHold:   s.hold,
	}
	if isLive(root) {
		here := system{logind.New(logind.Config{})}
		cfg.Power, cfg.Shutdown = here, here
	}
	light, err := led.Find(root)
	switch {
	case err == nil:
		cfg.Light = light
		if err := light.Writable(); err != nil {
			capabilities = append(capabilities, agent.Capability{Kind: agent.LightCapability, State: agent.Failed, Source: light.Name(), Detail: err.Error()})
		}
	case !errors.Is(err, errors.ErrUnsupported):
		capabilities = append(capabilities, agent.Capability{Kind: agent.LightCapability, State: agent.Failed, Detail: err.Error()})
	}
	cfg.Capabilities = capabilities
	return cfg, nil
}

// nodeName is the configured name, or the host's up to its first dot; where that is no name for a node, the agent's own
// default.
func nodeName(s settings, machine board.Board) string {
	if s.name != "" {
		return s.name
	}
	name, _, _ := strings.Cut(machine.Hostname, ".")
	if agent.CheckName(name) != nil {
		return ""
	}
	return name
}

func describe(machine board.Board) agent.Board {
	return agent.Board{
		Model:        machine.Model,
		Compatible:   machine.Compatible,
		RevisionCode: machine.Revision,
		Architecture: architecture(),
		Distribution: machine.Distribution,
		Kernel:       machine.Kernel,
		LimitCelsius: machine.Kind.SoCLimitCelsius(),
	}
}

// architecture is what this binary was built for, such as "arm64" or "armv6".
func architecture() string {
	info, ok := debug.ReadBuildInfo()
	if runtime.GOARCH != "arm" || !ok {
		return runtime.GOARCH
	}
	for _, setting := range info.Settings {
		if setting.Key == "GOARM" {
			version, _, _ := strings.Cut(setting.Value, ",")
			return "armv" + version
		}
	}
	return runtime.GOARCH
}

// uptime is the time since the board started, suspend included.
func uptime() time.Duration {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return 0
	}
	return time.Duration(since.Nano())
}
