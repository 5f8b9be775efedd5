package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/host/doneline"
	"github.com/bramblemesh/bramble/host/logind"
)

// isLive says whether a root is this machine and no copy of another board's files. Only this machine can be shut down.
func isLive(root string) bool { return filepath.Join("/", root) == "/" }

// system is logind as the agent's port. Its Watch tells of shutdowns.
type system struct{ *logind.Manager }

func (s system) PowerOff(ctx context.Context) error { return inAgentsWords(s.Manager.PowerOff(ctx)) }
func (s system) Reboot(ctx context.Context) error   { return inAgentsWords(s.Manager.Reboot(ctx)) }
func (s system) Ready() error                       { return inAgentsWords(s.Manager.Ready()) }

// inAgentsWords makes an error of logind's one of the agent's too, with the same text.
func inAgentsWords(err error) error {
	switch {
	case errors.Is(err, logind.ErrUnderWay):
		return meaning{err, agent.ErrUnderWay}
	case errors.Is(err, logind.ErrBlocked):
		return meaning{err, agent.ErrBlocked}
	default:
		return err
	}
}

// meaning is an error that is another one as well.
type meaning struct {
	error
	is error
}

func (m meaning) Unwrap() []error { return []error{m.error, m.is} }

// doneLine is the board's own end of its done line as the agent's port.
type doneLine struct{ *doneline.Line }

func (d doneLine) Signal() agent.DoneSignal {
	s := d.Line.Signal()
	return agent.DoneSignal{
		Mechanism:     mechanism(s.Mechanism),
		Chip:          s.Line.Chip,
		Line:          uint32(s.Line.Offset),
		ActiveLow:     s.ActiveLow,
		Source:        s.Source,
		ActiveDelay:   s.ActiveDelay,
		InactiveDelay: s.InactiveDelay,
		Timeout:       s.Timeout,
		Trouble:       s.Trouble,
	}
}

func mechanism(m doneline.Mechanism) agent.DoneMechanism {
	switch m {
	case doneline.Overlay:
		return agent.DoneByOverlay
	case doneline.Helper:
		return agent.DoneByHelper
	default:
		return 0
	}
}
