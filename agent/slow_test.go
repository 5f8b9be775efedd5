package agent

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	agentv1 "github.com/bramblemesh/bramble/gen/bramble/agent/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestStuckReader leaves a stream unread for ten minutes while every sensor changes with each sample. What has piled up
// is bounded by the transport, samples are missing after that, the newest state arrives, and no edge is lost.
func TestStuckReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := manySensors(64)
		r := start(t, b, func(c *Config) { c.Interval = 100 * time.Millisecond })
		stream := r.watch(0.1)
		r.receive(stream)
		before := memory()
		time.Sleep(50 * time.Millisecond) // from here on, halfway between two samples
		const samples = 6000
		for i := range samples {
			r.set(func(b *board) {
				for name := range b.values {
					b.values[name] = float64(20 + i%50)
				}
				b.word = uint32(i / 60 % 2) // 100 edges in all, far apart
			})
			time.Sleep(100 * time.Millisecond)
		}
		r.set(func(b *board) { b.values["sensor-0"] = 99 })
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if grown := memory() - before; grown > 2<<20 {
			t.Errorf("memory grew by %d KiB", grown>>10)
		}

		newest, received, conflated := r.agent.state.now.sample, 0, false
		var last *agentv1.WatchResponse
		counts := uint64(0)
		for last == nil || last.GetSample() < newest {
			m := r.receive(stream)
			if last != nil && m.GetSequence() != last.GetSequence()+1 {
				t.Fatalf("sequence %d after %d", m.GetSequence(), last.GetSequence())
			}
			conflated = conflated || last != nil && m.GetSample() > last.GetSample()+1
			for _, e := range m.GetFlagEdges() {
				if e.GetActive() {
					counts++
				}
				if e.GetCount() != counts {
					t.Fatalf("edge %v after %d rises", e, counts)
				}
			}
			last = m
			received++
		}
		if !conflated || received > 1000 {
			t.Errorf("%d messages for %d samples, conflated: %v", received, samples, conflated)
		}
		if counts != samples/60/2 {
			t.Errorf("%d rises arrived, there were %d", counts, samples/60/2)
		}
		if value, _, _ := celsius(last.GetReadings(), 1); value != 99 {
			t.Errorf("the newest message says %v", value)
		}
	})
}

// TestReaderTooFarBehind lets more edges happen than the ring holds.
func TestReaderTooFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, manySensors(64), func(c *Config) { c.Interval = 100 * time.Millisecond })
		stuck, reading := r.watch(0.1), r.watch(0.1)
		edges := make(chan int, 1)
		go func() {
			n := 0
			for {
				m, err := reading.Recv()
				if err != nil {
					edges <- n
					return
				}
				n += len(m.GetFlagEdges())
			}
		}()
		time.Sleep(50 * time.Millisecond) // from here on, halfway between two samples
		for i := range 1500 {
			r.set(func(b *board) {
				for name := range b.values {
					b.values[name] = float64(20 + i%50)
				}
				b.word = uint32(i % 2)
			})
			time.Sleep(100 * time.Millisecond)
		}
		if err := drain(stuck); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the stuck reader ended with %v", err)
		}
		again := r.watch(0)
		if m := r.receive(again); m.GetNode() == nil || m.GetThrottling().GetFlags()[0].GetCount() != 750 {
			t.Errorf("after watching again: %v", m)
		}
		r.stop()
		if n := <-edges; n != 1499 { // the first word was the state in which the stream began
			t.Errorf("the reader beside it got %d edges", n)
		}
	})
}

// TestManySubscribers follows one board from a hundred streams, half of which never read; all of them end with it.
func TestManySubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		var wg sync.WaitGroup
		failures := make(chan error, 100)
		for i := range 100 {
			if i%25 == 0 {
				r.client = r.dial()
			}
			stream := r.watch(0)
			if i%2 == 0 {
				continue
			}
			wg.Go(func() {
				for want := uint64(1); want <= 60; want++ {
					m, err := stream.Recv()
					if err != nil || m.GetSequence() != want || m.GetSample() != want || m.GetAgeMilliseconds() != 0 {
						failures <- fmt.Errorf("stream %d: %v, %w", i, m, err)
						return
					}
				}
			})
		}
		wg.Wait()
		close(failures)
		for err := range failures {
			t.Error(err)
		}
		r.client = r.dial()
		var crowd []agentv1.AgentService_WatchClient
		for range maxSubscribers - 100 {
			stream := r.watch(0)
			r.receive(stream)
			crowd = append(crowd, stream)
		}
		if err := drain(r.watch(0)); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("one more than the most: %v", err)
		}
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took != 0 {
			t.Errorf("subscriptions hold up the stop for %v", took)
		}
		for _, stream := range crowd {
			if err := drain(stream); status.Code(err) != codes.Unavailable {
				t.Errorf("at the end: %v", err)
			}
		}
		if n := len(r.agent.state.subs); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

// TestReaderThatGoesAway ends a stream from outside; the agent forgets it.
func TestReaderThatGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newBoard(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := r.client.Watch(ctx, &agentv1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		r.receive(stream)
		cancel()
		synctest.Wait()
		if n := len(r.agent.state.subs); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
	})
}

func manySensors(n int) *board {
	b := newBoard()
	b.sensors, b.values = nil, map[string]float64{}
	for i := range n {
		s := Sensor{Name: fmt.Sprintf("sensor-%d", i), Kind: OtherTemperature}
		b.sensors, b.values[s.Name] = append(b.sensors, s), 20
	}
	return b
}

// memory is what is in use after a collection.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
