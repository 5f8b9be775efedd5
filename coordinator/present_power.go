package coordinator

import (
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

func presentPower(v *core.PowerView, now time.Time) *coordinatorv1.Power {
	out := &coordinatorv1.Power{
		State: coordinatorv1.PowerState(v.State), Explanation: v.Explanation, AgeMilliseconds: milliseconds(now, v.Since),
		Fault: coordinatorv1.PowerFault(v.Fault), OperationId: v.Operation,
		DoneLine: coordinatorv1.LineLevel(v.Line), Wiring: coordinatorv1.Wiring(v.Wiring), CommittedAmperes: v.CommittedAmperes,
	}
	if !v.Deadline.IsZero() {
		out.RemainingMilliseconds = new(milliseconds(v.Deadline, now))
	}
	return out
}

func presentSignal(s *core.DoneSignal) *agentv1.DoneSignal {
	if s == nil {
		return nil
	}
	return &agentv1.DoneSignal{
		Mechanism: agentv1.DoneMechanism(s.Mechanism), Chip: s.Chip, Line: s.Line, ActiveLow: s.ActiveLow, Error: s.Error,
		ActiveDelayMilliseconds:   uint32(s.ActiveDelay.Milliseconds()),
		InactiveDelayMilliseconds: uint32(s.InactiveDelay.Milliseconds()),
		TimeoutMilliseconds:       uint32(s.Timeout.Milliseconds()),
	}
}

func presentSupply(v core.SupplyView) *coordinatorv1.Supply {
	out := &coordinatorv1.Supply{FixedAmperes: v.FixedAmperes, CommittedAmperes: v.CommittedAmperes, Waiting: v.Waiting}
	if v.LimitAmperes > 0 {
		out.LimitAmperes = new(v.LimitAmperes)
	}
	return out
}

func presentStore(v core.StoreView) *coordinatorv1.Store {
	return &coordinatorv1.Store{Health: coordinatorv1.StoreHealth(v.Health), Message: v.Message}
}

func presentOperation(v *core.OperationView, now time.Time) *coordinatorv1.Operation {
	out := &coordinatorv1.Operation{
		Id: v.ID, Kind: coordinatorv1.OperationKind(v.Kind), State: coordinatorv1.OperationState(v.State), RequestedBy: v.RequestedBy,
		Reason: v.Reason, Forced: v.Forced, RequestId: v.RequestID, AgeMilliseconds: milliseconds(now, v.Begun), Message: v.Message,
	}
	if !v.Ended.IsZero() {
		out.TookMilliseconds = new(milliseconds(v.Ended, v.Begun))
	}
	for i := range v.Steps {
		s := &v.Steps[i]
		step := &coordinatorv1.Step{Node: s.Node, State: coordinatorv1.StepState(s.State), Message: s.Message}
		for _, m := range s.Milestones {
			step.Milestones = append(step.Milestones, &coordinatorv1.Milestone{Name: m.Name, Detail: m.Detail, AfterMilliseconds: milliseconds(m.At, v.Begun)})
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

func presentPlan(plan []core.PlannedStep) []*coordinatorv1.PlannedStep {
	var out []*coordinatorv1.PlannedStep
	for _, p := range plan {
		out = append(out, &coordinatorv1.PlannedStep{Node: p.Node, Action: p.Action, Wave: uint32(p.Wave), CommittedAmperes: p.CommittedAmperes})
	}
	return out
}

// presentRunning is the operations that run, oldest first. The caller holds the lock.
func (c *Coordinator) presentRunning(now time.Time) []*coordinatorv1.Operation {
	var out []*coordinatorv1.Operation
	all := c.core.Operations()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].State == core.OperationRunning {
			out = append(out, presentOperation(&all[i], now))
		}
	}
	return out
}
