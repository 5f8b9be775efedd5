package storm

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// Range runs the schedules of the seeds from first to last on all cores. It calls each with every result, one at a time
// and in no order, until each returns false or ctx ends; then it begins no more and returns when all have ended. The
// error is the first of Run's.
func Range(ctx context.Context, first, last uint64, each func(Result) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		failed  error
		taken   atomic.Uint64
	)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := taken.Add(1) - 1
				if n > last-first {
					return
				}
				result, err := Run(first+n, nil)
				mu.Lock()
				switch {
				case err != nil && failed == nil:
					failed = err
					stop()
				case err == nil && !each(result):
					stop()
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return failed
}
