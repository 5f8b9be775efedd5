package daemon

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// Levels and Formats are what Log takes.
const (
	Levels  = "trace, debug, info, warn, error"
	Formats = "text, json"
)

// Log configures a daemon's log.
type Log struct {
	// Level is one of Levels. Default: info.
	Level string
	// Format is one of Formats. Default: text.
	Format string
}

// Logger makes the log that writes to w. Under systemd, which stamps every line itself, text lines carry no time.
func (l Log) Logger(name string, w io.Writer) (hclog.Logger, error) {
	level := hclog.Info
	if l.Level != "" {
		if level = hclog.LevelFromString(l.Level); level == hclog.NoLevel || level == hclog.Off {
			return nil, fmt.Errorf("log level: %s: must be one of %s", l.Level, Levels)
		}
	}
	if l.Format != "" && l.Format != "text" && l.Format != "json" {
		return nil, fmt.Errorf("log format: %s: must be one of %s", l.Format, Formats)
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: name, Level: level, Output: w,
		JSONFormat:  l.Format == "json",
		DisableTime: l.Format != "json" && strings.Contains(os.Getenv("JOURNAL_STREAM"), ":"),
		TimeFormat:  "2006-01-02T15:04:05.000Z07:00",
	}), nil
}
