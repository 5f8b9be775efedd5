package arrows

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

func rules(t *testing.T) *Rules {
	t.Helper()
	f, err := os.Open("rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestArrows holds the tree against rules.txt. Run it with -count=1: its input is what `go list` says, which the test
// cache does not see.
func TestArrows(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var packages []Package
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, fault := range rules(t).Check(packages) {
		t.Error(fault)
	}
}

// TestCheck breaks each kind of rule and expects to be told.
func TestCheck(t *testing.T) {
	r := rules(t)
	clean := func() map[string]*Package {
		all := map[string]*Package{}
		for name := range r.folders {
			all[name] = &Package{ImportPath: Module + "/" + name}
		}
		return all
	}
	tests := []struct {
		name, folder, imports, deps, want string
	}{
		{name: "an arrow that is not drawn", folder: "agent", imports: Module + "/coordinator/core", want: "agent imports"},
		{name: "host knows nothing above it", folder: "host", imports: Module + "/gen/bramble/agent/v1", want: "host imports"},
		{name: "a foreign module in a pure package", folder: "coordinator/fan", imports: "github.com/hashicorp/go-hclog", want: "coordinator/fan imports"},
		{name: "a package with a clock in a pure package", folder: "coordinator/core", imports: "context", want: "takes what it needs as arguments"},
		{name: "a folder without a line", folder: "helpers", want: "no line in rules.txt"},
		{name: "the agent links cobra", folder: "agent/cmd/bramble-agent", deps: "github.com/spf13/cobra", want: "links github.com/spf13/cobra"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := clean()
			all[tt.folder] = &Package{ImportPath: Module + "/" + tt.folder}
			if tt.imports != "" {
				all[tt.folder].Imports = []string{tt.imports}
			}
			if tt.deps != "" {
				all[tt.folder].Deps = []string{tt.deps}
			}
			var packages []Package
			for _, p := range all {
				packages = append(packages, *p)
			}
			faults := r.Check(packages)
			if len(faults) != 1 || !strings.Contains(faults[0], tt.want) {
				t.Errorf("got %q, want one fault with %q", faults, tt.want)
			}
		})
	}
	if faults := r.Check([]Package{{ImportPath: Module + "/agent"}}); len(faults) < 5 {
		t.Errorf("lines without a folder went unseen: %q", faults)
	}
}

// TestPure reads the source of the pure packages: no goroutine, no reading of the clock.
func TestPure(t *testing.T) {
	for name, rule := range rules(t).folders {
		if !rule.pure {
			continue
		}
		for path, file := range sources(t, name) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s starts a goroutine", path)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" {
						switch n.Sel.Name {
						case "Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer":
							t.Errorf("%s calls time.%s", path, n.Sel.Name)
						}
					}
				}
				return true
			})
		}
	}
}

// sources parses the Go files of one folder, without tests.
func sources(t *testing.T, folder string) map[string]*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Errorf("%s: no Go files (%v)", folder, err)
	}
	files := map[string]*ast.File{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file
	}
	return files
}

// TestHouse walks the tree: no file over 500 lines, no package named for what it is not.
func TestHouse(t *testing.T) {
	vague := map[string]bool{"util": true, "utils": true, "common": true, "helpers": true, "pkg": true, "types": true, "misc": true}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") && name != ".ci" || name == "gen" || name == "build" || name == "bin") {
				return filepath.SkipDir
			}
			if vague[name] {
				t.Errorf("%s: a package is named by the noun it owns", path)
			}
			return nil
		}
		if ext := filepath.Ext(name); ext != ".go" && ext != ".proto" && ext != ".md" && ext != ".sh" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if lines := strings.Count(string(text), "\n"); lines > 500 {
			t.Errorf("%s has %d lines; 500 is the most", path, lines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
