package machines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// listsFor is how long the lists of packages are good: after it, apt is asked again for newer kernels.
const listsFor = 12 * time.Hour

// apt is a way to look packages of all our architectures up and to fetch them, beside the machine's own: same sources,
// own lists. Nothing is installed through it.
type apt struct {
	b      *builder
	config string // read after the machine's own
}

// newApt looks into the machine's own sources.
func newApt(ctx context.Context, b *builder) (*apt, error) {
	return b.apt(ctx, "apt", `APT::Architectures { "amd64"; "arm64"; "armel"; };`)
}

// backports looks into Debian's backports to the release, where that comes from. Only what is asked for by its own name
// is taken from there, and never installed.
func backports(ctx context.Context, b *builder) (*apt, error) {
	sources, err := debianSources(ctx)
	if err != nil {
		return nil, err
	}
	main := regexp.MustCompile(`(?m)^deb (\S+) bookworm main$`).FindStringSubmatch(sources)
	if main == nil {
		return nil, errors.New("apt's own configuration has no bookworm main, next to which the backports would be")
	}
	list := filepath.Join(b.cache, "backports.list")
	if err := os.WriteFile(list, []byte("deb "+main[1]+" bookworm-backports main\n"), 0o644); err != nil {
		return nil, err
	}
	return b.apt(ctx, "apt-backports", fmt.Sprintf("Dir::Etc::sourcelist %q;\nDir::Etc::sourceparts \"-\";", list))
}

// apt brings the lists in a folder of the cache up to date. Old lists will do when no new ones can be had.
func (b *builder) apt(ctx context.Context, folder, sources string) (*apt, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("no apt-get: machines are built from Debian's packages, on Debian 12: %w", err)
	}
	dir := filepath.Join(b.cache, folder)
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	a := &apt{b: b, config: filepath.Join(dir, "apt.conf")}
	// Containers' own configuration empties the cache of an apt that is installing meanwhile, and keeps apt from remembering
	// what it has parsed: each question would take it a second.
	config := fmt.Sprintf(`#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
%s
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Dir::State::lists "%s/lists";
Dir::Cache "%s/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
`, sources, dir, dir)
	if err := os.WriteFile(a.config, []byte(config), 0o644); err != nil {
		return nil, err
	}
	stamp := filepath.Join(dir, "updated")
	info, err := os.Stat(stamp)
	if err == nil && time.Since(info.ModTime()) < listsFor {
		return a, nil
	}
	b.step("asking apt for its lists of packages, for build/machines/%s", folder)
	if _, failure := a.ask(ctx, "apt-get", "-q", "--error-on=any", "update"); failure != nil {
		if err != nil {
			return nil, fmt.Errorf("the lists of packages cannot be had; is the network of this machine's apt sources up? %w", failure)
		}
		b.step("no new lists, so the old ones will do: %v", failure)
		return a, nil
	}
	return a, os.WriteFile(stamp, nil, 0o644)
}

// ask runs one of apt's programs. What APT_CONFIG names would be read before the machine's own configuration, and lose.
func (a *apt) ask(ctx context.Context, program string, args ...string) (string, error) {
	return command(ctx, nil, program, append([]string{"-c", a.config}, args...)...)
}

// versions returns what apt would install of each package; one that it does not have is missing.
func (a *apt) versions(ctx context.Context, names ...string) (map[string]string, error) {
	text, err := a.ask(ctx, "apt-cache", append([]string{"policy"}, names...)...)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, " ") {
			name = strings.TrimSuffix(line, ":")
		} else if version, ok := strings.CutPrefix(line, "  Candidate: "); ok && version != "(none)" {
			found[name] = version
		}
	}
	return found, nil
}

// kernel is a release for which image and headers are both to be had, in one version.
type kernel struct {
	release string // 6.1.0-56-amd64
	version string // 6.1.192-2
}

// pair finds the newest kernel of amd64 whose image and headers match: a mirror may have one without the other.
func (a *apt) pair(ctx context.Context) (kernel, error) {
	text, err := a.ask(ctx, "apt-cache", "pkgnames", "linux-image-6.1.0-")
	if err != nil {
		return kernel{}, err
	}
	var numbers []int
	for _, match := range regexp.MustCompile(`(?m)^linux-image-6\.1\.0-(\d+)-amd64$`).FindAllStringSubmatch(text, -1) {
		number, _ := strconv.Atoi(match[1])
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	for _, number := range slices.Backward(numbers) {
		release := fmt.Sprintf("6.1.0-%d-amd64", number)
		found, err := a.versions(ctx, "linux-image-"+release, "linux-headers-"+release)
		if err != nil {
			return kernel{}, err
		}
		version := found["linux-image-"+release]
		if version != "" && version == found["linux-headers-"+release] {
			return kernel{release, version}, nil
		}
	}
	return kernel{}, fmt.Errorf("apt offers no pair of linux-image-6.1.0-N-amd64 and its headers (it knows %d images): are its sources those of Debian 12?", len(numbers))
}

// newest finds the kernel that a metapackage such as linux-image-arm64:arm64 depends on.
func (a *apt) newest(ctx context.Context, meta string) (name string, k kernel, err error) {
	text, err := a.ask(ctx, "apt-cache", "depends", meta)
	if err != nil {
		return "", kernel{}, err
	}
	match := regexp.MustCompile(`Depends: (linux-image-(\S+?)(:\S+)?)\n`).FindStringSubmatch(text)
	if match == nil {
		return "", kernel{}, fmt.Errorf("apt does not say which kernel %s stands for", meta)
	}
	found, err := a.versions(ctx, match[1])
	if err != nil {
		return "", kernel{}, err
	}
	return match[1], kernel{match[2], found[match[1]]}, nil
}

// unpacked returns a folder with the files of a package, fetched and unpacked once.
func (a *apt) unpacked(ctx context.Context, name string) (string, error) {
	found, err := a.versions(ctx, name)
	if err != nil {
		return "", err
	}
	version, ok := found[name]
	if !ok {
		return "", fmt.Errorf("apt has no package %s: are its sources those of Debian 12?", name)
	}
	return a.b.once("package-"+strings.ReplaceAll(name, ":", "-")+"-"+version, func(dir string) error {
		a.b.step("fetching and unpacking %s %s", name, version)
		deb, err := a.fetch(ctx, name, version)
		if err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Dir(deb))
		_, err = command(ctx, nil, "dpkg-deb", "-x", deb, dir)
		return err
	})
}

// fetch downloads a package into a folder of its own.
func (a *apt) fetch(ctx context.Context, name, version string) (deb string, err error) {
	dir, err := os.MkdirTemp(a.b.cache, "fetch-")
	if err != nil {
		return "", err
	}
	script := `cd "$1" && exec apt-get -q -c "$2" download "$3"`
	if _, err := command(ctx, nil, "sh", "-c", script, "sh", dir, a.config, name+"="+version); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	if len(debs) != 1 {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("fetch %s: apt left %d packages", name, len(debs))
	}
	return debs[0], nil
}

// need installs packages of the machine that does the tests, those whose file is not there.
func (b *builder) need(ctx context.Context, files map[string]string) error {
	var missing []string
	for name, file := range files {
		if _, err := exec.LookPath(file); err != nil {
			if _, err := os.Stat(file); err != nil {
				missing = append(missing, name)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	all := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("not installed, and only root may: run apt-get install --no-install-recommends %s", all)
	}
	wait := []string{"-q", "-y", "-o", "DPkg::Lock::Timeout=600"}
	if !b.updated {
		b.step("installing on this machine: %s", all)
		if _, err := command(ctx, nil, "apt-get", append(wait, "update")...); err != nil {
			return fmt.Errorf("install %s: %w", all, err)
		}
		b.updated = true
	}
	args := append(wait, "install", "--no-install-recommends")
	if _, err := command(ctx, nil, "apt-get", append(args, missing...)...); err != nil {
		return fmt.Errorf("install %s: %w", all, err)
	}
	return nil
}
