package pico5

import (
	"path/filepath"
	"testing"

	"github.com/bramblemesh/bramble/identity"
)

// Every node's files are what the services take for their identity.
func TestIdentities(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nodes")
	if err := identities(dir); err != nil {
		t.Fatal(err)
	}
	for number := range 5 {
		name := folder(number)
		for _, who := range []string{"agent", "coordinator"} {
			file := func(name string) string { return filepath.Join(dir, folder(number), name) }
			source, err := identity.Load(identity.Files{Authority: file("authority.pem"), Certificate: file(who + ".pem"), Key: file(who + ".key")}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := source.Certificate().VerifyHostname(address(number)); err != nil {
				t.Errorf("%s of %s: %v", who, name, err)
			}
		}
	}
}
