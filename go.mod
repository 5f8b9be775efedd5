module github.com/bramblemesh/bramble

go 1.26.0

require (
	github.com/charmbracelet/bubbletea v1.3.10 // the simulator's live terminal view: raw keys, redraw and resize on every terminal
	github.com/coreos/go-systemd/v22 v22.7.0 // sd_notify: READY, WATCHDOG and STOPPING for the two daemons
	github.com/godbus/dbus/v5 v5.1.0 // logind: power-off, reboot, delay locks, and what it says when it refuses
	github.com/hashicorp/go-hclog v1.6.3 // structured logs, handed in by whoever embeds us
	github.com/rogpeppe/go-internal v1.14.1 // testscript: the commands' specification is a set of scripts
	github.com/spf13/cobra v1.10.2 // the commands of bramblectl, bramble-coordinator and bramble-sim (never the agent)
	github.com/warthog618/go-gpiocdev v0.9.1 // GPIO character device: lines by chip label and offset, kernel edge timestamps
	go.etcd.io/bbolt v1.4.3 // the coordinator's operations and latches on disk: transactions that survive a cut
	go.yaml.in/yaml/v3 v3.0.4 // configuration files, read as nodes so that every fault has a path and a line
	golang.org/x/sys v0.48.0 // ioctl, pread and poll on kernel interfaces
	golang.org/x/term v0.46.0 // is standard output a terminal, and how wide
	google.golang.org/grpc v1.85.0 // the wire: streams, keepalive, health, reflection, channelz
	google.golang.org/protobuf v1.36.12 // the messages, and protojson for -o json
	periph.io/x/conn/v3 v3.7.2 // the names of header pins, which a test holds our table against
	periph.io/x/host/v3 v3.8.5 // board names from distro and header names, without host.Init()
)

require (
	github.com/aymanbagabas/go-osc52/v2 v2.0.1 // indirect
	github.com/charmbracelet/colorprofile v0.2.3-0.20250311203215-f60798e515dc // indirect
	github.com/charmbracelet/lipgloss v1.1.0 // indirect
	github.com/charmbracelet/x/ansi v0.10.1 // indirect
	github.com/charmbracelet/x/cellbuf v0.0.13-0.20250311204145-2c3ea96c31dd // indirect
	github.com/charmbracelet/x/term v0.2.1 // indirect
	github.com/erikgeiser/coninput v0.0.0-20211004153227-1c3628e74d0f // indirect
	github.com/fatih/color v1.13.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/lucasb-eyer/go-colorful v1.2.0 // indirect
	github.com/mattn/go-colorable v0.1.12 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/mattn/go-localereader v0.0.1 // indirect
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/muesli/ansi v0.0.0-20230316100256-276c6243b2f6 // indirect
	github.com/muesli/cancelreader v0.2.2 // indirect
	github.com/muesli/termenv v0.16.0 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	github.com/xo/terminfo v0.0.0-20220910002029-abceb7e1c41e // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/tools v0.49.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)
