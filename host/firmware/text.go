package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parseThrottledText reads "throttled=0x50000".
func parseThrottledText(text []byte) (uint32, error) {
	digits, ok := bytes.CutPrefix(bytes.TrimSpace(text), []byte("throttled=0x"))
	if !ok {
		return 0, unexpected(string(text))
	}
	word, err := strconv.ParseUint(string(digits), 16, 32)
	if err != nil {
		return 0, unexpected(string(text))
	}
	return uint32(word), nil
}

// parseTemperature reads "temp=48.3'C".
func parseTemperature(text string) (float64, error) {
	digits, ok := strings.CutPrefix(strings.TrimSpace(text), "temp=")
	digits, ok2 := strings.CutSuffix(digits, "'C")
	celsius, err := strconv.ParseFloat(digits, 64)
	if !ok || !ok2 || err != nil || !(celsius > -100 && celsius < 200) {
		return 0, unexpected(text)
	}
	return celsius, nil
}

// parseClock reads "frequency(48)=1500345728"; the number of the clock differs
// between boards.
func parseClock(text string) (uint64, error) {
	name, digits, ok := strings.Cut(strings.TrimSpace(text), "=")
	hertz, err := strconv.ParseUint(digits, 10, 64)
	if !ok || !strings.HasPrefix(name, "frequency(") || !strings.HasSuffix(name, ")") || err != nil {
		return 0, unexpected(text)
	}
	return hertz, nil
}

// unexpected tells a firmware without the command (error=1 error_msg="Command
// not registered") from one that talks nonsense.
func unexpected(text string) error {
	if strings.HasPrefix(text, "error=") {
		return fmt.Errorf("the firmware answers %.80q: %w", text, errors.ErrUnsupported)
	}
	return fmt.Errorf("the firmware answers %.80q, which is not understood", text)
}
