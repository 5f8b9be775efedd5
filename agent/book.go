package agent

import (
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
)

const (
	maxOperations = 64        // kept: an accepted one ends the boot, unless it is called off by hand
	maxBookFile   = 256 << 10 // bytes; a full book of long names has about 30,000
)

// operation is a request to end this boot.
type operation struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`     // "poweroff" or "reboot"
	Accepted bool   `json:"accepted"` // by the system; else it has been asked and has not answered
}

// book knows the operations of this boot, also after a restart of the agent. What happened in another boot is over.
type book struct {
	path   string // "": in memory only
	logger hclog.Logger

	mu    sync.Mutex
	pages pages
}

// pages are what the file holds.
type pages struct {
	Boot       string      `json:"boot_id"`
	Operations []operation `json:"operations"`
}

// openBook reads what the boot's earlier agents wrote. A boot without a name cannot be told from another one.
func openBook(path, boot string, logger hclog.Logger) *book {
	b := &book{path: path, logger: logger, pages: pages{Boot: boot}}
	if boot == "" {
		b.path = ""
	}
	if b.path == "" {
		return b
	}
	kept, err := readState[pages](path, maxBookFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		logger.Warn("operations of this boot are forgotten", "path", path, "error", err)
	}
	if kept.Boot == boot {
		b.pages = kept
	}
	return b
}

func (b *book) find(id string) (operation, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.index(id); i >= 0 {
		return b.pages.Operations[i], true
	}
	return operation{}, false
}

// put writes an operation down, in place of what was known of it.
func (b *book) put(op operation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := &b.pages.Operations
	if i := b.index(op.ID); i >= 0 {
		(*all)[i] = op
	} else {
		*all = append((*all)[max(0, len(*all)+1-maxOperations):], op)
	}
	b.write()
}

func (b *book) remove(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pages.Operations = slices.DeleteFunc(b.pages.Operations, func(op operation) bool { return op.ID == id })
	b.write()
}

func (b *book) index(id string) int {
	return slices.IndexFunc(b.pages.Operations, func(op operation) bool { return op.ID == id })
}

// write keeps what there is. Without the file an operation may be asked twice of the system if the agent is restarted in
// between, which is no reason not to carry it out: the system refuses the second.
func (b *book) write() {
	if b.path == "" {
		return
	}
	if err := writeState(b.path, b.pages); err != nil {
		b.logger.Warn("operations are kept in memory only", "path", b.path, "error", err)
	}
}
