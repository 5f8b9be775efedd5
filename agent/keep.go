package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/bramblemesh/bramble/agent/throttle"
	"github.com/hashicorp/go-hclog"
)

const (
	keepRetry    = 10 * time.Second
	maxStateFile = 4096 // bytes; ours has about 150
)

// keeper keeps the counts of the flags in a file, away from the sampler, which must not wait for a disk.
type keeper struct {
	path   string
	logger hclog.Logger
	last   throttle.State // the sampler's own: the newest it was told
	wake   chan struct{}
}

func newKeeper(path string, logger hclog.Logger) *keeper {
	return &keeper{path: path, logger: logger, wake: make(chan struct{}, 1)}
}

// load reads what was kept. Without a file, or with a damaged one, that is nothing.
func (k *keeper) load() throttle.State {
	if k.path == "" {
		return throttle.State{}
	}
	state, err := readState[throttle.State](k.path, maxStateFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.logger.Warn("counts of the throttling flags start anew", "path", k.path, "error", err)
	}
	k.last = state
	return state
}

// readState reads what writeState has written, of at most so many bytes.
func readState[T any](path string, most int64) (state T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return state, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return state, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		var none T
		return none, fmt.Errorf("the file is damaged: %w", err)
	}
	return state, nil
}

// changed takes note of the counts after a sample. It never blocks.
func (k *keeper) changed(state throttle.State) {
	if k.path == "" || state == k.last {
		return
	}
	k.last = state
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// run writes the counts whenever they have changed, tries again later when that fails, and once more at the end.
func (k *keeper) run(ctx context.Context, newest func() throttle.State) {
	retry := time.NewTimer(keepRetry)
	retry.Stop()
	defer retry.Stop()
	failed := false
	save := func() {
		err := writeState(k.path, newest())
		if (err != nil) == failed {
			return
		}
		if failed = err != nil; failed {
			k.logger.Warn("counts of the throttling flags are not kept", "path", k.path, "error", err)
			return
		}
		k.logger.Info("counts of the throttling flags are kept again", "path", k.path)
	}
	for {
		select {
		case <-k.wake:
			save()
		case <-retry.C:
			save()
		case <-ctx.Done():
			if failed || len(k.wake) > 0 {
				save()
			}
			return
		}
		if failed {
			retry.Reset(keepRetry)
		}
	}
}

// writeState replaces a file in one step. It is not synced: after a power cut another boot begins, for which the file is
// of no use.
func writeState(path string, state any) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
