package pico5

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/bramblemesh/bramble/sim/machines"
)

// settled returns the image of all nodes: Debian with bramble installed by deploy/install, and for every node its address
// and its identity, of which it takes those of its host name.
func settled(ctx context.Context, log func(format string, args ...any)) (*machines.Image, error) {
	image, err := machines.BuildWired(ctx, log)
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOMOD: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	ours := filepath.Join(root, "build/machines/pico5")
	if err := binaries(ctx, root, filepath.Join(ours, "bin")); err != nil {
		return nil, err
	}
	if err := identities(filepath.Join(ours, "nodes")); err != nil {
		return nil, err
	}
	files := map[string]string{}
	err = errors.Join(
		below(files, "/opt/bramble/bin", filepath.Join(ours, "bin")),
		below(files, "/opt/bramble/deploy", filepath.Join(root, "deploy")),
		below(files, "/etc/bramble/nodes", filepath.Join(ours, "nodes")),
		below(files, "/", filepath.Join(root, "sim/machines/pico5/overlay")),
	)
	if err != nil {
		return nil, err
	}
	return image.Settle(ctx, machines.Config{Name: "pico5", Files: files}, `set -e
/opt/bramble/deploy/install /opt/bramble/bin
chmod 600 /etc/bramble/nodes/*/*.key
chown bramble-agent /etc/bramble/nodes/*/agent.key
chown bramble-coordinator /etc/bramble/nodes/*/coordinator.key
systemctl enable case-node bramble-agent bramble-coordinator
# All devices that matter come with modules that are loaded later.
systemctl mask systemd-udev-trigger
`)
}

// binaries builds what deploy/install installs, as make build does.
func binaries(ctx context.Context, root, to string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", to+"/", "./agent/cmd/...", "./coordinator/cmd/...")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// address is where a node is in the case's network; the master is number 0.
func address(number int) string { return fmt.Sprintf("10.77.0.%d", number+1) }

// folder is the name of a node's folder, which is its host name.
func folder(number int) string {
	if number == 0 {
		return master
	}
	return worker(number)
}

// identities makes an authority and what each node gets from it, once.
func identities(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	unfinished := dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	a, err := newAuthority(unfinished)
	if err != nil {
		return err
	}
	for number := range 5 {
		name := folder(number)
		err := errors.Join(
			a.issue(name, "agent", address(number)),
			a.issue(name, "coordinator", address(number)),
			os.WriteFile(filepath.Join(unfinished, name, "address"), []byte(address(number)+"\n"), 0o644),
		)
		if err != nil {
			return err
		}
	}
	return os.Rename(unfinished, dir)
}

// below adds the files of a folder, to where they go.
func below(files map[string]string, to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(from, path)
		files[filepath.Join(to, name)] = path
		return err
	})
}
