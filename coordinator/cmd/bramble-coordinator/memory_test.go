package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/bramblemesh/bramble/coordinator"
	"github.com/bramblemesh/bramble/coordinator/config"
	"github.com/bramblemesh/bramble/coordinator/core"
)

// A case without rails has operations and maintenance to remember, and runs where nothing can be remembered.
func TestMemoryWithoutRails(t *testing.T) {
	open := func(machine string, nodes ...core.NodeConfig) coordinator.Config {
		t.Helper()
		var live coordinator.Config
		cfg := &config.Config{Core: core.Config{Nodes: nodes}, State: config.DefaultState}
		k, err := (&cli{machine: machine}).power(&live, cfg, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		if err := k.memory(); err != nil {
			t.Error(err)
		}
		return live
	}
	worker := core.NodeConfig{Name: "worker-1", Address: "unix:/run/worker-1.sock"}
	machine := t.TempDir()
	if live := open(machine, worker); live.Hardware.Store == nil || live.Clock == nil {
		t.Error("nothing is remembered of a worker without a rail")
	}
	if _, err := os.Stat(filepath.Join(machine, config.DefaultState)); err != nil {
		t.Error(err)
	}
	blocked := t.TempDir()
	if err := os.WriteFile(filepath.Join(blocked, "var"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if live := open(blocked, worker); live.Hardware.Store != nil {
		t.Error("a memory that cannot be opened would keep a case that cuts nothing from everything")
	}
	if live := open(t.TempDir()); live.Hardware.Store != nil {
		t.Error("a case without nodes has a memory")
	}
}
