// Package arrows states which package of bramble may import which, and checks it.
//
// rules.txt is the statement: one line a folder, read top to bottom. A folder without a line, a line without a folder
// and an import without an arrow each fail the test. Two words in it are about the standard library: "stdlib" means
// nothing else at all, and "pure" means besides that no clock, context, goroutine, log or file, so that a decision can
// be replayed to the byte. Test files are free: a proof may look at anything.
package arrows

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Module is the path that all packages of bramble share.
const Module = "github.com/bramblemesh/bramble"

// impure are the standard library's packages that a pure package does without.
var impure = []string{"context", "log", "log/slog", "math/rand", "net", "net/http", "os", "os/exec", "os/signal", "runtime", "sync", "syscall", "testing"}

// Rules is the parsed statement.
type Rules struct {
	folders   map[string]folder
	words     map[string][]string
	forbidden map[string][]string
}

type folder struct {
	may          []string
	any          bool
	stdlib, pure bool
}

// Parse reads the statement; an error names the line.
func Parse(r io.Reader) (*Rules, error) {
	rules := &Rules{folders: map[string]folder{}, words: map[string][]string{}, forbidden: map[string][]string{}}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) < 2 || (words[0] == "=" || words[0] == "!") && len(words) < 3 {
			return nil, fmt.Errorf("line %d: %q says nothing", number, lines.Text())
		}
		switch words[0] {
		case "=":
			rules.words[words[1]] = words[2:]
		case "!":
			rules.forbidden[words[1]] = words[2:]
		default:
			if _, twice := rules.folders[words[0]]; twice {
				return nil, fmt.Errorf("line %d: %s has a line already", number, words[0])
			}
			rules.folders[words[0]] = parseFolder(words[1:])
		}
	}
	return rules, lines.Err()
}

func parseFolder(words []string) folder {
	var f folder
	for _, word := range words {
		switch word {
		case "any":
			f.any = true
		case "pure":
			f.stdlib, f.pure = true, true
		case "stdlib", "-":
			f.stdlib = true
		default:
			f.may = append(f.may, word)
		}
	}
	return f
}

// Package is what the check needs to know of one package.
type Package struct {
	ImportPath string
	Imports    []string // direct, without those of tests
	Deps       []string // at any depth
}

// Check returns every violation, in words, sorted.
func (r *Rules) Check(packages []Package) []string {
	var faults []string
	used := map[string]bool{}
	for _, p := range packages {
		path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, Module), "/")
		name := r.ruling(path)
		if name == "" {
			faults = append(faults, fmt.Sprintf("%s: no line in rules.txt rules this folder", path))
			continue
		}
		used[name] = true
		faults = append(faults, r.checkImports(name, path, p.Imports)...)
		faults = append(faults, checkForbidden(path, r.forbidden[path], p.Deps)...)
	}
	for name := range r.folders {
		if !used[name] {
			faults = append(faults, fmt.Sprintf("rules.txt: %s: no such folder", name))
		}
	}
	slices.Sort(faults)
	return faults
}

// ruling returns the longest line that is path or leads to it.
func (r *Rules) ruling(path string) string {
	best := ""
	for name := range r.folders {
		if within(path, name) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

func (r *Rules) checkImports(name, path string, imports []string) []string {
	rule := r.folders[name]
	var faults []string
	for _, imported := range imports {
		own, inside := strings.CutPrefix(imported, Module+"/")
		switch {
		case rule.any:
		case inside && r.ruling(own) == name:
		case !inside && !strings.Contains(strings.SplitN(imported, "/", 2)[0], "."):
			if rule.pure && slices.Contains(impure, imported) {
				faults = append(faults, fmt.Sprintf("%s imports %s: a pure package takes what it needs as arguments", path, imported))
			}
		case inside && slices.Contains(rule.may, r.ruling(own)):
		case !inside && r.named(rule.may, imported):
		default:
			faults = append(faults, fmt.Sprintf("%s imports %s: rules.txt draws no such arrow", path, imported))
		}
	}
	return faults
}

func (r *Rules) named(may []string, imported string) bool {
	for _, word := range may {
		for _, module := range r.words[word] {
			if within(imported, module) {
				return true
			}
		}
	}
	return false
}

func checkForbidden(path string, forbidden, deps []string) []string {
	var faults []string
	for _, bad := range forbidden {
		for _, dep := range deps {
			if within(dep, bad) || strings.HasPrefix(dep, bad+".") {
				faults = append(faults, fmt.Sprintf("%s links %s, which it must not", path, dep))
				break
			}
		}
	}
	return faults
}

// within says whether path is folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
