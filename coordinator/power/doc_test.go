package power

import (
	"flag"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table into doc.go, and what machines do into testdata/*.txt")

// String lists the states; "powered" stands for all in which a node may have power.
func (s set) String() string {
	var words []string
	if s&powered == powered {
		words, s = append(words, "powered"), s&^powered
	}
	for ; s != 0; s &= s - 1 {
		words = append(words, State(bits.TrailingZeros32(uint32(s))).String())
	}
	return strings.Join(words, ", ")
}

// TestTheDocShowsTheTable holds the package doc against the table.
func TestTheDocShowsTheTable(t *testing.T) {
	const begin, end = "//\tFROM", "//\tEND"
	var b strings.Builder
	fmt.Fprintf(&b, "%s | event | guard | to | does\n", begin)
	for _, r := range table {
		to := "same"
		if r.to != same {
			to = r.to.String()
		}
		fmt.Fprintln(&b, strings.ReplaceAll(fmt.Sprintf("//\t%v | %v | %s | %s | %s", r.from, r.on, r.when, to, r.does), "  ", " "))
	}
	text := strings.ReplaceAll(b.String(), " \n", "\n")
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("doc.go has no table")
	}
	want := before + text + end + after
	if *update {
		if err := os.WriteFile("doc.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(doc) {
		t.Error("doc.go shows another table; run this test with -update")
	}
}
