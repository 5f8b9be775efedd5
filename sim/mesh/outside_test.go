package mesh_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOutside builds a module that is not part of this one and embeds agent and coordinator, runs it, and says how many
// packages that linked.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, from := range map[string]string{"main.go": "testdata/outside/main.go", "go.sum": filepath.Join(root, "go.sum")} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	module := fmt.Sprintf("module example.com/outside\n\ngo 1.26\n\nrequire github.com/bramblemesh/bramble v0.0.0\n\nreplace github.com/bramblemesh/bramble => %s\n", root)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "outside")
	command(t, dir, "go", "build", "-mod=mod", "-o", program, ".")
	story := command(t, dir, program)
	t.Logf("it said:\n%s", story)
	if !strings.Contains(story, "master is live") || !strings.Contains(story, "degrees, fan: ") {
		t.Error("it did not hear its board")
	}
	linked := strings.Fields(command(t, dir, "go", "list", "-mod=mod", "-deps", "."))
	foreign := slices.DeleteFunc(slices.Clone(linked), func(path string) bool {
		return !strings.Contains(strings.SplitN(path, "/", 2)[0], ".") || strings.HasPrefix(path, "github.com/bramblemesh/")
	})
	t.Logf("it links %d packages, %d of them neither Go's own nor bramble's", len(linked), len(foreign))
	for _, path := range foreign {
		for _, heavy := range []string{"cobra", "bubbletea", "gpiocdev", "periph.io", "yaml", "k8s.io"} {
			if strings.Contains(path, heavy) {
				t.Errorf("whoever embeds bramble links %s", path)
			}
		}
	}
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}
