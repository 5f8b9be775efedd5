package document

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits are the smallest and largest value allowed, both included, and what the value is, with its article: "a GPIO
// line". A fault reads "a GPIO line is 0 to 57".
type Limits[T int | float64 | time.Duration] struct {
	Of       string
	Min, Max T
}

// Value is one place in a file: what is written there, or that nothing is. Every reader takes the default that holds
// if nothing is written, and records a fault and returns the default if something else than asked for is written.
// A key with nothing after it (or null) counts as not written.
type Value struct {
	doc  *Document
	node *yaml.Node // nil: nothing is written
	path string
	line int // of the node, or of the mapping that lacks it
}

// Written reports whether anything is written here.
func (v Value) Written() bool { return v.node != nil && v.node.Tag != "!!null" }

// Path returns where this is, such as nodes[2].power.
func (v Value) Path() string { return v.path }

// Fault records that what is written here is wrong; allowed says why and what is allowed.
func (v Value) Fault(allowed string) {
	f := Fault{Line: v.line, Path: v.path, Allowed: allowed}
	switch {
	case !v.Written():
		f.Value = "missing"
	case v.node.Kind == yaml.ScalarNode:
		f.Value = shown(v.node.Value)
	}
	v.doc.add(f)
}

// Faulty reports whether a fault was recorded here, so that its consequences need not be.
func (v Value) Faulty() bool {
	return v.doc.faulty[v.path]
}

// Is reports whether exactly this word is written here, for a setting that is a word or a quantity.
func (v Value) Is(word string) bool {
	return v.Written() && v.node.Kind == yaml.ScalarNode && v.node.Value == word
}

// Required records a fault if nothing is written here, and returns the value itself; what says what is missing: "the
// node's name".
func (v Value) Required(what string) Value {
	if !v.Written() {
		v.Fault("needed: " + what)
	}
	return v
}

// scalar returns what is written, as text, if it is a scalar of one of the kinds.
func (v Value) scalar(wanted string, tags ...string) (string, bool) {
	if !v.Written() {
		return "", false
	}
	if v.node.Kind != yaml.ScalarNode || !slices.Contains(tags, v.node.Tag) {
		v.wrong(wanted)
		return "", false
	}
	return v.node.Value, true
}

// wrong records that something of another kind is written.
func (v Value) wrong(wanted string) {
	switch {
	case v.node.Kind == yaml.MappingNode:
		wanted += ", not a mapping"
	case v.node.Kind == yaml.SequenceNode:
		wanted += ", not a list"
	case v.node.Tag == "!!str":
		wanted += ", not text"
	}
	v.Fault("must be " + wanted)
}

// String reads text. Something that YAML takes for a number, a date or a truth value must stand in quotes.
func (v Value) String(fallback string) string {
	if v.Written() && v.node.Kind == yaml.ScalarNode && v.node.Tag != "!!str" {
		v.Fault(`must be text; write it in quotes, "` + v.node.Value + `", if that is meant`)
		return fallback
	}
	if text, ok := v.scalar("text", "!!str"); ok {
		return text
	}
	return fallback
}

// Choice reads one of the given words.
func (v Value) Choice(fallback string, words ...string) string {
	text, ok := v.scalar("one of "+strings.Join(words, ", "), "!!str", "!!bool", "!!int", "!!float")
	switch {
	case !ok:
		return fallback
	case !slices.Contains(words, text):
		v.Fault("one of " + strings.Join(words, ", "))
		return fallback
	}
	return text
}

// Bool reads true or false.
func (v Value) Bool(fallback bool) bool {
	text, ok := v.scalar("true or false", "!!bool")
	if !ok {
		return fallback
	}
	return strings.EqualFold(text, "true")
}

// Int reads a whole number, written in decimal.
func (v Value) Int(fallback int, limits Limits[int]) int {
	text, ok := v.scalar("a whole number", "!!int", "!!float")
	if !ok {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < limits.Min || n > limits.Max {
		v.Fault(fmt.Sprintf("%s is %d to %d", limits.Of, limits.Min, limits.Max))
		return fallback
	}
	return n
}

// Float reads a number, written in decimal.
func (v Value) Float(fallback float64, limits Limits[float64]) float64 {
	text, ok := v.scalar("a number", "!!int", "!!float")
	return v.number(fallback, text, ok, limits, "", "")
}

// Celsius reads a temperature in degrees Celsius: 45, 45C or 45.5 °C.
func (v Value) Celsius(fallback float64, limits Limits[float64]) float64 {
	text, ok := v.scalar("a temperature such as 45C", "!!int", "!!float", "!!str")
	text = strings.TrimSuffix(strings.TrimSuffix(text, "C"), "°")
	return v.number(fallback, strings.TrimSpace(text), ok, limits, "C", ", in degrees Celsius")
}

// Amperes reads a current: 1.2, 1.2A or 1.2 A.
func (v Value) Amperes(fallback float64, limits Limits[float64]) float64 {
	text, ok := v.scalar("a current such as 1.2A", "!!int", "!!float", "!!str")
	return v.number(fallback, strings.TrimSpace(strings.TrimSuffix(text, "A")), ok, limits, "A", ", in amperes")
}

// Percent reads a share such as 20% and returns the fraction, 0.2; the limits are fractions too. The sign is needed:
// without it 1 could mean both ends of the scale.
func (v Value) Percent(fallback float64, limits Limits[float64]) float64 {
	text, ok := v.scalar("a percentage such as 20%", "!!int", "!!float", "!!str")
	if !ok {
		return fallback
	}
	bare, signed := strings.CutSuffix(text, "%")
	if !signed {
		v.Fault(fmt.Sprintf("%s is %g%% to %g%%, written with its sign", limits.Of, limits.Min*100, limits.Max*100))
		return fallback
	}
	shownLimits := Limits[float64]{Of: limits.Of, Min: limits.Min * 100, Max: limits.Max * 100}
	return v.number(fallback*100, strings.TrimSpace(bare), true, shownLimits, "%", "") / 100
}

// number parses a decimal number and holds it against the limits, which are shown with the unit.
func (v Value) number(fallback float64, text string, ok bool, limits Limits[float64], unit, remark string) float64 {
	if !ok {
		return fallback
	}
	x, err := strconv.ParseFloat(text, 64)
	// ParseFloat also reads infinities, hexadecimal and underscores; none is an honest setting.
	if err != nil || math.IsNaN(x) || strings.ContainsAny(text, "xX_") || x < limits.Min || x > limits.Max {
		v.Fault(fmt.Sprintf("%s is %g%s to %g%s%s", limits.Of, limits.Min, unit, limits.Max, unit, remark))
		return fallback
	}
	return x
}

// Duration reads a time such as 250ms, 10s, 2m30s or 1h. The unit is needed, but for 0.
func (v Value) Duration(fallback time.Duration, limits Limits[time.Duration]) time.Duration {
	text, ok := v.scalar("a time such as 10s", "!!int", "!!float", "!!str")
	if !ok {
		return fallback
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < limits.Min || d > limits.Max {
		v.Fault(fmt.Sprintf("%s is %s to %s, with its unit", limits.Of, duration(limits.Min), duration(limits.Max)))
		return fallback
	}
	return d
}

// duration writes 1h instead of 1h0m0s.
func duration(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// List returns the items of a list; nothing written is an empty one.
func (v Value) List() []Value {
	if !v.Written() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list")
		return nil
	}
	items := make([]Value, len(v.node.Content))
	for i, node := range v.node.Content {
		items[i] = Value{doc: v.doc, node: node, path: v.path + "[" + strconv.Itoa(i) + "]", line: node.Line}
	}
	return items
}

func (v Value) child(key string) string {
	key = shown(key)
	if v.path == "" {
		return key
	}
	return v.path + "." + key
}
