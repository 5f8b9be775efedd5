package document_test

import (
	"fmt"

	"github.com/bramblemesh/bramble/internal/document"
)

func Example() {
	doc, err := document.Parse("coordinator.yaml", []byte("nodes:\n- name: worker-1\n  power:\n    rial: {}\n    rail: {line: 99}\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range doc.Map().Key("nodes").List() {
		node := item.Map()
		name := node.Key("name").Required("the node's name").String("")
		line := node.Key("power").Map().Key("rail").Map().Key("line").Int(0, document.Limits[int]{Of: "a GPIO line", Max: 57})
		fmt.Println(name, line)
	}
	fmt.Println(doc.Faults())
	// Output:
	// worker-1 0
	// coordinator.yaml:4: nodes[0].power.rial: unknown key; did you mean rail? known: rail
	// coordinator.yaml:5: nodes[0].power.rail.line: 99: a GPIO line is 0 to 57
}
