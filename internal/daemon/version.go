package daemon

import (
	"runtime/debug"
	"strings"
)

// version is set by the linker: go build -ldflags "-X github.com/bramblemesh/bramble/internal/daemon.version=v1.2.3".
var version string

// Version is what this binary was built from: the version it was linked with, otherwise the module's version or the
// revision of the source as Go recorded it, otherwise "unknown".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var revision, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return "unknown"
	}
	return strings.TrimSpace(revision + dirty)
}
