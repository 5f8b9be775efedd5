package document

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Map is a mapping of a file. Asking for a key is what makes it known.
type Map struct {
	at      Value
	values  map[string]*yaml.Node
	lines   map[string]int // of the keys, once each
	written []string       // the keys, in the file's order, once each
	asked   []string       // the keys, in the order in which they were asked for
}

// Map reads a mapping; nothing written is an empty one. Asked again for the same place, it returns the same Map.
func (v Value) Map() *Map {
	m := &Map{at: v, values: map[string]*yaml.Node{}, lines: map[string]int{}}
	if !v.Written() {
		return m
	}
	if known := v.doc.maps[v.node]; known != nil {
		return known
	}
	v.doc.maps[v.node] = m
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping (key: value)")
		return m
	}
	v.doc.order = append(v.doc.order, m)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key, value := v.node.Content[i], v.node.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			Value{doc: v.doc, node: key, path: v.path, line: key.Line}.Fault("a key must be a word")
		case m.values[key.Value] != nil:
			Value{doc: v.doc, path: v.child(key.Value), node: value, line: key.Line}.twice()
		default:
			m.values[key.Value] = value
			m.lines[key.Value] = key.Line
			m.written = append(m.written, key.Value)
		}
	}
	return m
}

func (v Value) twice() {
	v.doc.add(Fault{Line: v.line, Path: v.path, Allowed: "written twice: keep one"})
}

// Key returns what is written after a key, and makes the key a known one.
func (m *Map) Key(key string) Value {
	if !slices.Contains(m.asked, key) {
		m.asked = append(m.asked, key)
	}
	v := Value{doc: m.at.doc, node: m.values[key], path: m.at.child(key), line: m.at.line}
	if v.node != nil {
		v.line = m.lines[key]
	}
	return v
}

// At returns the mapping's own place, for faults that concern several of its keys.
func (m *Map) At() Value { return m.at }

// Written reports whether the mapping itself is written.
func (m *Map) Written() bool { return m.at.Written() }
