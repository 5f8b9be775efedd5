// Package screen says what the coordinator knows in words and columns, for a person who was woken up.
//
// It is pure: a Screen and a message go in, text comes out, and the wall clock is a field. What is missing is "-", what
// a board does not have is "unsupported", what failed is said in the kernel's words; nothing unknown looks fine. Names
// and messages come from other machines, so control characters in them never reach the terminal.
package screen

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Screen is where text is shown. The zero value is a pipe: long lines, no colour.
type Screen struct {
	// Width is the terminal's, in columns: longer text is wrapped. 0 is no terminal: nothing is wrapped.
	Width int
	// Colour allows escape codes.
	Colour bool
	// Now is the wall clock, for times of day; they are said in its time zone.
	Now time.Time
}

// style is the parameter of an SGR escape code.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	yellow style = "33"
)

// cell is one field of a row.
type cell struct {
	text  string
	style style
	right bool // aligned to the right
}

// row makes cells of words without style.
func row(words ...string) []cell {
	cells := make([]cell, len(words))
	for i, word := range words {
		cells[i].text = word
	}
	return cells
}

const (
	gap = "  "
	// Text that would have less room than this goes below its row, this far in.
	leastRoom   = 16
	indentation = 4
)

// columns lines rows up. The last cell of a row may be long: it takes the rest of the line, and is wrapped under itself.
// A row that is shorter than others ends with such a cell too.
func (s Screen) columns(rows [][]cell) string {
	var widths []int
	for _, cells := range rows {
		for i := range cells {
			cells[i].text = Printable(cells[i].text)
			if i == len(cells)-1 {
				break
			}
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i].text))
		}
	}
	var b strings.Builder
	for _, cells := range rows {
		s.row(&b, cells, widths)
	}
	return b.String()
}

func (s Screen) row(b *strings.Builder, cells []cell, widths []int) {
	var line strings.Builder
	start := 0
	for i, c := range cells[:len(cells)-1] {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
		if c.right {
			line.WriteString(pad + s.paint(c.style, c.text) + gap)
		} else {
			line.WriteString(s.paint(c.style, c.text) + pad + gap)
		}
		start += widths[i] + len(gap)
	}
	last := cells[len(cells)-1]
	if room := s.Width - start; s.Width > 0 && room < leastRoom && utf8.RuneCountInString(last.text) > room {
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		line.Reset()
		start = indentation
		line.WriteString(strings.Repeat(" ", start))
	}
	for _, text := range s.wrap(last.text, s.Width-start) {
		line.WriteString(s.paint(last.style, text))
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		line.Reset()
		line.WriteString(strings.Repeat(" ", start))
	}
}

func (s Screen) paint(style style, text string) string {
	if !s.Colour || style == plain || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// wrap breaks text between words; a word that is longer than a line stays whole. At least one line comes back.
func (s Screen) wrap(text string, width int) []string {
	if s.Width == 0 || utf8.RuneCountInString(text) <= width {
		return []string{text}
	}
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// Printable is text on one line, without characters that could steer a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
