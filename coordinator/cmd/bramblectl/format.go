package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/bramblemesh/bramble/internal/screen"
)

// format is the value of -o.
type format string

const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatYAML  format = "yaml"
)

func (f *format) String() string { return string(*f) }

// Set is called for -o.
func (f *format) Set(text string) error {
	switch format(text) {
	case formatTable, formatJSON, formatYAML:
		*f = format(text)
		return nil
	}
	return fmt.Errorf("must be table, json or yaml")
}

// Type is what help says that -o takes.
func (f *format) Type() string { return "format" }

// screen is what the terminal is like just now.
func (c *cli) screen() screen.Screen {
	width := c.width()
	return screen.Screen{
		Width:  width,
		Colour: width > 0 && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb",
		Now:    c.now(),
	}
}

// show prints the table, or each message in the format that was asked for.
func (c *cli) show(table func(screen.Screen) string, messages ...proto.Message) error {
	if c.output == formatTable {
		return c.write(table(c.screen()))
	}
	var all bytes.Buffer
	for _, m := range messages {
		if err := c.encode(&all, m, "  "); err != nil {
			return err
		}
	}
	return c.write(all.String())
}

func (c *cli) write(text string) error {
	if _, err := io.WriteString(c.stdout, text); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// encode appends one JSON object, on one line if indent is empty, or one YAML document.
func (c *cli) encode(to *bytes.Buffer, m proto.Message, indent string) error {
	// Zeros are written, so that a program finds every field; what the coordinator left out stays out.
	text, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	if c.output == formatYAML {
		return encodeYAML(to, text)
	}
	// protojson varies its white space from build to build on purpose.
	if indent == "" {
		err = json.Compact(to, text)
	} else {
		err = json.Indent(to, text, "", indent)
	}
	to.WriteByte('\n')
	return err
}

func encodeYAML(to *bytes.Buffer, text []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	block(&document)
	to.WriteString("---\n")
	encoder := yaml.NewEncoder(to)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	return encoder.Close()
}

// block takes JSON's braces and quotes away where YAML does without.
func block(n *yaml.Node) {
	if len(n.Content) > 0 || n.Kind == yaml.ScalarNode {
		n.Style = 0
	}
	for _, child := range n.Content {
		block(child)
	}
}
