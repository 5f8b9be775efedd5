package coordinator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/bramblemesh/bramble/coordinator/core"
	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
)

// subscribers is how many may watch over the wire at once. One that never reads costs what gRPC queues for it, about
// 100 KiB.
const subscribers = 128

var errCrowded = fmt.Errorf("%d subscribers watch already: end one of them, or watch fewer times", subscribers)

// service is bramble.coordinator.v1.CoordinatorService: translation and nothing else.
type service struct {
	coordinatorv1.UnimplementedCoordinatorServiceServer
	c *Coordinator
}

// Register puts the coordinator's API on a gRPC server of your own. That server's options, credentials and life are
// yours; subscriptions end when Run does.
func (c *Coordinator) Register(registrar grpc.ServiceRegistrar) {
	coordinatorv1.RegisterCoordinatorServiceServer(registrar, service{c: c})
}

func (s service) GetCase(context.Context, *coordinatorv1.GetCaseRequest) (*coordinatorv1.GetCaseResponse, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.presentCase(time.Now(), true), nil
}

// presentCase is the case with or without its fans. The caller holds the lock.
func (c *Coordinator) presentCase(now time.Time, fans bool) *coordinatorv1.GetCaseResponse {
	out := &coordinatorv1.GetCaseResponse{
		Name: c.core.Case(), Version: c.cfg.Core.Version, UptimeMilliseconds: milliseconds(now, c.started),
	}
	if fans {
		for _, f := range c.core.Fans(0) {
			out.Fans = append(out.Fans, presentFan(&f, now))
		}
	}
	for _, a := range c.core.Alarms() {
		out.Alarms = append(out.Alarms, presentAlarm(&a, now))
	}
	out.Supply, out.Store = presentSupply(c.core.Supply()), presentStore(c.core.StoreHealth())
	out.Operations = c.presentRunning(now)
	return out
}

func (s service) ListNodes(_ context.Context, request *coordinatorv1.ListNodesRequest) (*coordinatorv1.ListNodesResponse, error) {
	nodes, err := s.named(request.GetNames())
	if err != nil {
		return nil, err
	}
	return &coordinatorv1.ListNodesResponse{Nodes: nodes}, nil
}

// named is the nodes of these names, in their order; none means all.
func (s service) named(names []string) (out []*coordinatorv1.Node, _ error) {
	nodes, now := s.c.Nodes(), time.Now()
	if len(names) == 0 {
		for i := range nodes {
			out = append(out, presentNode(&nodes[i], now))
		}
		return out, nil
	}
	if most := len(nodes); len(names) > most+1 {
		return nil, toStatus(fmt.Errorf("%d names: %w: this case has %d nodes", len(names), core.ErrInvalid, most))
	}
	byName, known := map[string]*core.NodeView{}, make([]string, len(nodes))
	for i := range nodes {
		byName[nodes[i].Name], known[i] = &nodes[i], nodes[i].Name
	}
	for _, name := range names {
		n := byName[name]
		if n == nil {
			return nil, toStatus(fmt.Errorf("node %q: %w: this case has %s", name, core.ErrNotFound, strings.Join(known, ", ")))
		}
		out = append(out, presentNode(n, now))
	}
	return out, nil
}

func (s service) GetFan(_ context.Context, request *coordinatorv1.GetFanRequest) (*coordinatorv1.GetFanResponse, error) {
	f, err := s.c.Fan(request.GetFan())
	if err != nil {
		return nil, toStatus(err)
	}
	return &coordinatorv1.GetFanResponse{Fan: presentFan(&f, time.Now())}, nil
}

func (s service) SetFan(ctx context.Context, request *coordinatorv1.SetFanRequest) (*coordinatorv1.SetFanResponse, error) {
	var setting core.FanSetting
	switch v := request.GetSetting().(type) {
	case *coordinatorv1.SetFanRequest_Override:
		if v.Override.DutyFraction == nil {
			return nil, toStatus(fmt.Errorf("fan: an override needs a duty: %w: send duty_fraction, 0 to 1", core.ErrInvalid))
		}
		setting.Duty, setting.Hold = v.Override.GetDutyFraction(), v.Override.GetHold().AsDuration()
	case *coordinatorv1.SetFanRequest_Automatic:
		setting.Automatic = true
	default:
		return nil, toStatus(fmt.Errorf("fan: a setting is needed: %w: send an override or automatic", core.ErrInvalid))
	}
	f, err := s.c.SetFan(ctx, request.GetFan(), setting)
	if err != nil {
		return nil, toStatus(err)
	}
	return &coordinatorv1.SetFanResponse{Fan: presentFan(&f, time.Now())}, nil
}

// Watch sends the whole case, then what changed since the message before: a slow reader gets the newest.
func (s service) Watch(request *coordinatorv1.WatchRequest, stream grpc.ServerStreamingServer[coordinatorv1.WatchResponse]) error {
	select {
	case s.c.room <- struct{}{}:
		defer func() { <-s.c.room }()
	default:
		return toStatus(errCrowded)
	}
	w := watcher{c: s.c, eventsOnly: request.GetEventsOnly()}
	heartbeat := time.NewTimer(time.Second)
	defer heartbeat.Stop()
	due := true
	for {
		over := s.c.over()
		m, changed, err := w.next(time.Now(), due)
		if err != nil {
			return toStatus(err)
		}
		if m != nil {
			if err := stream.Send(m); err != nil {
				return err
			}
			due = false
			heartbeat.Reset(time.Second)
			continue
		}
		if over {
			return toStatus(ErrNotRunning)
		}
		select {
		case <-changed:
		case <-heartbeat.C:
			due = true
		case <-s.c.done:
		case <-stream.Context().Done():
			return toStatus(stream.Context().Err())
		}
	}
}

// watcher is where one subscriber stands.
type watcher struct {
	c          *Coordinator
	eventsOnly bool
	sequence   uint64
	revision   uint64 // of the newest nodes and fans it has
	event      uint64 // the newest it has
	events     []Event
	supply     core.SupplyView // as it was sent last
}

// next is the next message, or nil and what to wait for. due asks for a message even if nothing changed.
func (w *watcher) next(now time.Time, due bool) (*coordinatorv1.WatchResponse, <-chan struct{}, error) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	m := &coordinatorv1.WatchResponse{Sequence: w.sequence + 1}
	newest := now.Add(-24 * time.Hour)
	seen := func(at time.Time) {
		if at.After(newest) {
			newest = at
		}
	}
	if w.sequence == 0 {
		m.Case = w.c.presentCase(now, !w.eventsOnly)
		w.event = w.c.events.newest
		seen(now)
	}
	if !w.eventsOnly {
		for _, v := range w.c.core.Nodes(w.revision) {
			m.Nodes = append(m.Nodes, presentNode(&v, now))
			seen(v.SampledAt)
		}
		for _, v := range w.c.core.Fans(w.revision) {
			if w.sequence > 0 {
				m.Fans = append(m.Fans, presentFan(&v, now))
			}
			seen(now)
		}
		w.power(m, now, seen)
		w.revision = w.c.core.Revision()
	}
	var dropped uint64
	if w.events, dropped = w.c.events.after(w.events[:0], w.event); dropped > 0 {
		return nil, nil, &BehindError{Dropped: dropped}
	}
	for i := range w.events {
		m.Events = append(m.Events, presentEvent(&w.events[i], now))
		seen(w.events[i].At)
		w.event = w.events[i].Number
	}
	if m.Case == nil && len(m.Nodes)+len(m.Fans)+len(m.Events)+len(m.Operations) == 0 && m.Supply == nil {
		if !due {
			return nil, w.c.change(), nil
		}
		newest = now
	}
	w.sequence++
	m.AgeMilliseconds = milliseconds(now, newest)
	return m, nil, nil
}

// power adds the operations and the supply to a message where they changed. The first message has them in its case.
func (w *watcher) power(m *coordinatorv1.WatchResponse, now time.Time, seen func(time.Time)) {
	supply := w.c.core.Supply()
	if w.sequence > 0 {
		for _, o := range w.c.core.OperationsAfter(w.revision) {
			m.Operations = append(m.Operations, presentOperation(&o, now))
			seen(now)
		}
		if supply != w.supply {
			m.Supply = presentSupply(supply)
			seen(now)
		}
	}
	w.supply = supply
}

// toStatus is where errors become gRPC codes.
func toStatus(err error) error {
	code := codes.Internal
	switch _, behind := errors.AsType[*BehindError](err); {
	case errors.Is(err, core.ErrNotFound):
		code = codes.NotFound
	case errors.Is(err, core.ErrInvalid):
		code = codes.InvalidArgument
	case errors.Is(err, core.ErrReadOnly), errors.Is(err, core.ErrForbidden):
		code = codes.FailedPrecondition
	case errors.Is(err, core.ErrSupply):
		code = codes.ResourceExhausted
	case errors.Is(err, core.ErrBusy):
		code = codes.Aborted
	case errors.Is(err, ErrNotRunning), errors.Is(err, core.ErrStore):
		code = codes.Unavailable
	case behind, errors.Is(err, errCrowded):
		code = codes.ResourceExhausted
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	}
	return status.Error(code, err.Error())
}
