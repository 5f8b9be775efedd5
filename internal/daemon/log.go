package daemon

import (
	"fmt"
	"io"
	"os"
	"syscall"

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

// Logger makes the log that writes to w. Text lines that go to systemd's journal carry no time, which it stamps
// itself, but begin with their priority, so that `journalctl -p warning` finds them.
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
	journal := l.Format != "json" && toJournal(w, os.Getenv("JOURNAL_STREAM"))
	if journal {
		w = prioritized(w)
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: name, Level: level, Output: w,
		JSONFormat:  l.Format == "json",
		DisableTime: journal,
		TimeFormat:  "2006-01-02T15:04:05.000Z07:00",
	}), nil
}

// toJournal reports whether w is the journal's stream, named by device and inode as systemd.exec(5) says. The
// variable alone says nothing: every shell that the journal's stream was once given to hands it on.
func toJournal(w io.Writer, stream string) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// prioritized puts the priority of sd-daemon(3) before each line.
func prioritized(w io.Writer) io.Writer {
	return hclog.NewLeveledWriter(prefixed{w, "<6>"}, map[hclog.Level]io.Writer{
		hclog.Trace: prefixed{w, "<7>"},
		hclog.Debug: prefixed{w, "<7>"},
		hclog.Warn:  prefixed{w, "<4>"},
		hclog.Error: prefixed{w, "<3>"},
	})
}

// prefixed writes a prefix before each message, in one call: two would be two lines for the journal.
type prefixed struct {
	io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.Writer.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
