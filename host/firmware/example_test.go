package firmware_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/bramblemesh/bramble/host/firmware"
)

// Tell whether the supply sags, and tell "no" from "cannot know".
func Example() {
	throttling, err := firmware.Open("/")
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Println("this board cannot tell")
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	defer throttling.Close()
	word, known, err := throttling.Word()
	switch {
	case err != nil:
		fmt.Println(err)
	case known&firmware.UnderVoltage != 0 && word&firmware.UnderVoltage != 0:
		fmt.Println("under-voltage, says", throttling.Source())
	}
}
