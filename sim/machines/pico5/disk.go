package pico5

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// hurt looks at the file system of a disk as it is, before anything repairs it, and says why it is hurt: "" if it is not.
// A file system that was mounted for writing when the power went has a journal to replay (e2fsprogs, dumpe2fs(8)).
func hurt(ctx context.Context, disk string) (string, error) {
	out, err := exec.CommandContext(ctx, "/usr/sbin/dumpe2fs", "-h", disk).Output()
	if err != nil {
		return "", fmt.Errorf("dumpe2fs -h %s: %w", disk, err)
	}
	return whyHurt(string(out))
}

// whyHurt reads what dumpe2fs -h prints.
func whyHurt(header string) (string, error) {
	found := map[string]string{}
	for line := range strings.Lines(header) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			found[key] = strings.TrimSpace(value)
		}
	}
	features, state := found["Filesystem features"], found["Filesystem state"]
	switch {
	case features == "" || state == "":
		return "", fmt.Errorf("dumpe2fs says nothing of features and state: %.200s", header)
	case strings.Contains(" "+features+" ", " needs_recovery "):
		return "needs_recovery", nil
	case state != "clean":
		return "state " + state, nil
	}
	return "", nil
}
