// Package document reads a configuration file, YAML, and finds everything that is wrong with it in one pass.
//
// A reader asks for keys and says what is allowed; it never has to stop at a fault, because every question is answered:
// with the value, or with the default beside a recorded fault. At the end Faults returns all of them, one line each:
//
//	coordinator.yaml:14: nodes[2].power.rail.line: 99: a GPIO line is 0 to 57
//	coordinator.yaml:15: nodes[2].power.rial: unknown key; did you mean rail? known: rail, done
//
// Nothing is decoded by reflection: a key exists because somebody asked for it, so a key that nobody asked for is
// unknown, and a misspelt setting can never be passed over in silence.
//
//	doc, err := document.Parse("coordinator.yaml", data)
//	if err != nil { ... }
//	top := doc.Map()
//	interval := top.Key("interval").Duration(time.Second, document.Limits[time.Duration]{Of: "an interval", Min: time.Second, Max: time.Hour})
//	if err := doc.Faults(); err != nil { ... }
//
// A file is outside input. One that is too large, not UTF-8, nested too deep, or that uses aliases (from which a short
// file can grow without bound) is refused before anything is read. A Document is for one goroutine.
package document

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The limits of what is read at all. The largest honest file, a case of a hundred boards with every key given, has
// about 100 KiB and eight levels.
const (
	maxBytes = 1 << 20
	maxDepth = 32
)

// Document is one parsed file and the faults found in it so far.
type Document struct {
	name   string
	root   *yaml.Node // nil: an empty file
	maps   map[*yaml.Node]*Map
	order  []*Map // in the order in which they were asked for
	faults []Fault
	faulty map[string]bool // by path
}

// Parse reads data, which came from the file called name. It fails if data is not YAML of one document, or is
// refused as hostile; the error starts with the name and, where known, the line. An empty file is an empty mapping.
func Parse(name string, data []byte) (*Document, error) {
	switch {
	case len(data) > maxBytes:
		return nil, fmt.Errorf("%s: %d bytes: a configuration has at most %d", name, len(data), maxBytes)
	case !utf8.Valid(data):
		return nil, fmt.Errorf("%s: not UTF-8 text: save it as UTF-8", name)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var node yaml.Node
	err := decoder.Decode(&node)
	if errors.Is(err, io.EOF) {
		return newDocument(name, nil), nil
	}
	if err != nil {
		return nil, syntaxError(name, err)
	}
	if err := refuse(name, &node, 0); err != nil {
		return nil, err
	}
	var next yaml.Node
	if err := decoder.Decode(&next); err == nil {
		return nil, fmt.Errorf("%s:%d: a second document (---): a configuration is one", name, next.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(name, err)
	}
	if node.Kind != yaml.DocumentNode || len(node.Content) != 1 {
		return newDocument(name, nil), nil
	}
	return newDocument(name, node.Content[0]), nil
}

func newDocument(name string, root *yaml.Node) *Document {
	return &Document{name: name, root: root, maps: map[*yaml.Node]*Map{}, faulty: map[string]bool{}}
}

// syntaxError gives the parser's "yaml: line 3: what" the form of all other faults.
func syntaxError(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if line, what, ok := strings.Cut(rest, ": "); ok {
			return fmt.Errorf("%s:%s: not YAML: %s", name, line, what)
		}
	}
	return fmt.Errorf("%s: not YAML: %s", name, text)
}

// refuse looks at every node once, before anything else does.
func refuse(name string, node *yaml.Node, depth int) error {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%s:%d: nested deeper than %d levels", name, node.Line, maxDepth)
	case node.Kind == yaml.AliasNode:
		return fmt.Errorf("%s:%d: *%s: aliases are not read: write the value out", name, node.Line, shown(node.Value))
	}
	for _, child := range node.Content {
		if err := refuse(name, child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) add(f Fault) {
	d.faults = append(d.faults, f)
	d.faulty[f.Path] = true
}

// Name returns the file's name, as given to Parse.
func (d *Document) Name() string { return d.name }

// Map returns the document as a mapping; anything else is a fault, and read as empty.
func (d *Document) Map() *Map {
	return Value{doc: d, node: d.root, line: 1}.Map()
}
