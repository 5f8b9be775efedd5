// Package config reads the coordinator's configuration file: the case, where to listen, the certificates, and what
// is wired to the machine.
//
// Parse reads everything and reports every fault at once, each with its line, path, value and what is allowed, so that
// a file is corrected in one go. A file that passes gives a core.Config that core.New takes, and a Hardware that says
// in plain words and numbers how each fan is driven and each feed switched; it knows no hardware itself and starts nothing.
//
// Every key with its default stands in deploy/examples/coordinator.yaml.
package config

import (
	"fmt"
	"io"
	"os"

	"github.com/bramblemesh/bramble/coordinator/core"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/document"
)

// DefaultListen is the socket for everybody on the machine who may open it. It is listened on unless another unix
// socket is named.
const DefaultListen = "unix:///run/bramble/coordinator.sock"

// DefaultState is where operations and proofs are kept.
const DefaultState = "/var/lib/bramble/coordinator.db"

// Config is a configuration file that was found in order.
type Config struct {
	// Core is the case. Its Version and Seed are left to the caller.
	Core core.Config
	// Listen are the API's addresses, unix:///PATH or HOST:PORT, each once.
	Listen []string
	// TLS are the identity's files; nil without. With it every TCP address speaks mutual TLS, also those on loopback.
	TLS *identity.Files
	// Hardware is what is wired to this machine.
	Hardware Hardware
	// State is the file in which operations and proofs are kept.
	State string
}

// Load reads and parses a file. A fault in it is a *document.FaultsError.
func Load(path string) (*Config, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	// A little more than a document may have, so that the reason is the document's; and no more, whatever is there.
	data, err := io.ReadAll(io.LimitReader(file, 2<<20))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the text of a file; name is for messages. The error is a *document.FaultsError with every fault in the
// order of the lines, or says why the text is no configuration at all.
func Parse(name string, data []byte) (*Config, error) {
	doc, err := document.Parse(name, data)
	if err != nil {
		return nil, err
	}
	r := &reader{cfg: &Config{}, places: map[string]document.Value{}, wired: map[Line]string{}}
	r.read(doc.Map())
	if err := doc.Faults(); err != nil {
		return nil, err
	}
	return r.cfg, nil
}
