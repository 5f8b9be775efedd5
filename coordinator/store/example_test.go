package store_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/bramblemesh/bramble/coordinator/store"
)

// A latch is on the disk before anything is done because of it.
func Example() {
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	s, err := store.Open(filepath.Join(folder, "state.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	if d, is := s.Damage(); is {
		fmt.Println("nothing is switched until a person has looked at", d.File)
	}
	if err := s.Write([]store.Entry{{Bucket: "nodes", Key: "worker-2", Value: []byte(`{"latched":true}`)}}); err != nil {
		log.Fatal(err)
	}
	entries, err := s.Load()
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Printf("%s/%s %s\n", e.Bucket, e.Key, e.Value)
	}
	// Output: nodes/worker-2 {"latched":true}
}
