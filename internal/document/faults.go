package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Fault is one thing wrong with a file.
type Fault struct {
	Line    int    // from 1
	Path    string // such as nodes[2].power.rail.line; empty for the document itself
	Value   string // as written, shortened; empty where a value is not the point
	Allowed string // what is wrong and what is allowed
}

// FaultsError is all that is wrong with a file, in the order of its lines. Its message has one line for each fault.
type FaultsError struct {
	Name   string // the file's
	Faults []Fault
}

// More faults than this help nobody, and a hostile file could have a hundred thousand.
const maxShown = 100

// Error is the lines, without one at the end; after a hundred it only counts.
func (e *FaultsError) Error() string {
	var b strings.Builder
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxShown {
			fmt.Fprintf(&b, "%s: and %d more faults", e.Name, len(e.Faults)-maxShown)
			break
		}
		fmt.Fprintf(&b, "%s:%d: ", e.Name, f.Line)
		for _, part := range []string{f.Path, f.Value} {
			if part != "" {
				b.WriteString(part + ": ")
			}
		}
		b.WriteString(f.Allowed)
	}
	return b.String()
}

// Faults returns a *FaultsError with everything found so far, unknown keys included, or nil. Call it when all keys
// have been asked for.
func (d *Document) Faults() error {
	faults := slices.Clone(d.faults)
	for _, m := range d.order {
		faults = append(faults, m.unknown()...)
	}
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Line - b.Line })
	return &FaultsError{Name: d.name, Faults: faults}
}

func (m *Map) unknown() []Fault {
	var faults []Fault
	for _, key := range m.written {
		if slices.Contains(m.asked, key) {
			continue
		}
		allowed := "unknown key; "
		if near := nearest(key, m.asked); near != "" {
			allowed += "did you mean " + near + "? "
		}
		f := Fault{Line: m.lines[key], Path: m.at.child(key), Allowed: allowed + "known: " + strings.Join(m.asked, ", ")}
		if value := m.values[key]; value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
			f.Value = shown(value.Value)
		}
		faults = append(faults, f)
	}
	return faults
}

// nearest returns the known word that is at most two typing errors away, or "".
func nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if n := edits(word, k); n < least && n < len(k) {
			best, least = k, n
		}
	}
	return best
}

// edits is the number of letters to insert, drop, replace or swap with their neighbour. Words whose lengths differ by
// more than two are far apart whatever they hold, which also bounds the work on a hostile key.
func edits(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return 3
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// shown makes a written text fit into a line, and unable to do anything to the terminal it is read on.
func shown(text string) string {
	const long = 48
	if len(text) > long {
		text = strings.ToValidUTF8(text[:long], "") + "..."
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
