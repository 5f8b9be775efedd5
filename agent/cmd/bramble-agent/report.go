package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// The columns of the table, which is 80 wide.
const (
	tableWidth = 80
	stateWidth = 6
	itemWidth  = 13
)

// report writes the findings for people or for programs.
func (e *examination) report(format string, w io.Writer) error {
	if format == "json" {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(struct {
			OK       bool      `json:"ok"`
			Findings []finding `json:"findings"`
		}{e.wrong() == 0, e.findings})
	}
	var b strings.Builder
	for _, f := range e.findings {
		text := f.Found
		if f.Source != "" {
			text += ", " + f.Source
		}
		row(&b, word(f.State), f.Item, text)
		if f.Advice != "" {
			row(&b, "", "", "-> "+f.Advice)
		}
	}
	switch n := e.wrong(); n {
	case 0:
		b.WriteString("\nNothing is wrong.\n")
	case 1:
		b.WriteString("\nOne thing is wrong.\n")
	default:
		fmt.Fprintf(&b, "\n%d things are wrong.\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// word is a state in the table: what is wrong must catch the eye, what a board does not have must not.
func word(state string) string {
	switch state {
	case stateUnsupported:
		return "n/a"
	case stateWrong:
		return "WRONG"
	default:
		return state
	}
}

// row writes text beside a state and an item, and goes on below it where it is too long.
func row(b *strings.Builder, state, item, text string) {
	const width = tableWidth - stateWidth - itemWidth
	for i, line := range wrap(text, width) {
		if i > 0 {
			state, item = "", ""
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%-*s%s", stateWidth, state, itemWidth, item, line), " ") + "\n")
	}
}

// wrap breaks text between words; a word that is longer than a line stays whole, so that paths can be copied.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for w := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = w
		case len([]rune(line))+1+len([]rune(w)) <= width:
			line += " " + w
		default:
			lines, line = append(lines, line), w
		}
	}
	return append(lines, line)
}
