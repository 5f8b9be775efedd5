package coordinator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bramblemesh/bramble/coordinator/core"
)

// hangingStore is a disk that does not answer until the test lets it.
type hangingStore struct {
	*fakeStore
	answers chan struct{}
}

func (s hangingStore) Write(entries []core.Entry) error {
	<-s.answers
	return s.fakeStore.Write(entries)
}

// TestHangingDiskDoesNotGrowMemory is for a client that asks again and again while nothing can be written.
func TestHangingDiskDoesNotGrowMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tc, _, _, store := powered(t)
		hanging := hangingStore{store, make(chan struct{})}
		tc.cfg.Hardware.Store = hanging
		tc.run()
		tc.pass(15 * time.Second)
		ask := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, err := tc.Request(ctx, core.Request{Kind: core.OperationPowerOff, Nodes: []string{"worker-1"}, RequestID: "again"})
			return err
		}
		for i := range 1024 {
			if err := ask(); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("request %d: %v", i, err)
			}
		}
		if err := ask(); !errors.Is(err, core.ErrStore) || !strings.Contains(err.Error(), "1024 requests wait") {
			t.Errorf("one more than may wait: %v", err)
		}
		close(hanging.answers)
		tc.pass(time.Second)
		if err := ask(); err != nil {
			t.Errorf("once the disk answers: %v", err)
		}
		tc.pass(10 * time.Second) // until the worker is down
	})
}
