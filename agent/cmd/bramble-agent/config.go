package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bramblemesh/bramble/agent"
	"github.com/bramblemesh/bramble/host/gpio"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/document"
)

const (
	defaultListen = "unix:///run/bramble/agent.sock"
	// The counts of the flags are of no use to the next boot, so they belong on a tmpfs.
	defaultState = "/run/bramble/agent-flags.json"
)

// settings are the configuration file:
//
//	name: worker-1                # default: the host name up to its first dot
//	listen:                       # default: the unix socket alone
//	  - unix:///run/bramble/agent.sock
//	  - 0.0.0.0:7700              # TCP beyond loopback needs tls
//	tls:
//	  authority: /etc/bramble/authority.pem
//	  certificate: /etc/bramble/agent.pem
//	  key: /etc/bramble/agent.key
//	interval: 1s                  # between two samples; above 2s a coordinator may take the node for silent
//	state: /run/bramble/agent-flags.json    # "" keeps the counts of the flags in memory only; the boot's operations lie beside
//	done:                         # without the gpio-poweroff overlay: the line that bramble-done raises after a shutdown
//	  line: 26
//	  chip: pinctrl-bcm2711       # default: the chip of the 40-pin header
//	power_off_hold: 0s            # how long a power-off or reboot is held back, in which it can be called off; up to 10s
//	log:
//	  level: info
//	  format: text
type settings struct {
	source   string // the file that was read; "" for none
	name     string
	listen   []string
	tls      identity.Files
	interval time.Duration
	state    string
	done     *gpio.Line // nil: none
	hold     time.Duration
	log      daemon.Log
}

// readSettings reads the configuration. Only a file that nobody named may be missing.
func readSettings(o options) (settings, error) {
	data, err := os.ReadFile(o.configPath())
	switch {
	case errors.Is(err, fs.ErrNotExist) && !o.explicit:
		return parseSettings("", nil)
	case err != nil:
		return settings{}, fmt.Errorf("configuration: %w", err)
	}
	return parseSettings(o.configPath(), data)
}

// parseSettings finds every fault of a configuration in one pass.
func parseSettings(file string, data []byte) (settings, error) {
	doc, err := document.Parse(file, data)
	if err != nil {
		return settings{}, err
	}
	top := doc.Map()
	s := settings{source: file}
	name := top.Key("name")
	if s.name = name.String(""); s.name != "" {
		if err := agent.CheckName(s.name); err != nil {
			name.Fault(err.Error())
		}
	}
	listen, tls := top.Key("listen"), top.Key("tls")
	s.tls = parseTLS(tls)
	s.listen = parseListen(listen, tls.Written())
	s.interval = top.Key("interval").Duration(agent.DefaultInterval,
		document.Limits[time.Duration]{Of: "an interval", Min: agent.MinInterval, Max: agent.MaxInterval})
	state := top.Key("state")
	if s.state = state.String(defaultState); s.state != "" && !filepath.IsAbs(s.state) {
		state.Fault(`an absolute path, or "" to keep the counts in memory only`)
	}
	s.done = parseDone(top.Key("done"))
	s.hold = top.Key("power_off_hold").Duration(0, document.Limits[time.Duration]{Of: "a power-off hold", Max: agent.MaxPowerOffHold})
	log := top.Key("log").Map()
	s.log.Level = log.Key("level").Choice("info", strings.Split(daemon.Levels, ", ")...)
	s.log.Format = log.Key("format").Choice("text", strings.Split(daemon.Formats, ", ")...)
	return s, doc.Faults()
}

// slow says what a coordinator makes of an interval that is allowed but long; "" if it is short enough.
func (s settings) slow() string {
	if s.interval <= 2*time.Second {
		return ""
	}
	return fmt.Sprintf("%v between two samples: the coordinator calls a node stale at 3 s, unless its stale_after is raised, "+
		"and puts its fans to full at 5 s", s.interval)
}

func parseDone(done document.Value) *gpio.Line {
	if !done.Written() {
		return nil
	}
	line := done.Map().Key("line").Required("the number of the done line on its chip, on a header the GPIO number")
	chip := done.Map().Key("chip")
	found := &gpio.Line{
		Offset: line.Int(0, document.Limits[int]{Of: "a GPIO line", Max: 1023}),
		Chip:   chip.String(""),
	}
	if strings.ContainsFunc(found.Chip, unicode.IsControl) || len(found.Chip) > 31 {
		chip.Fault("a chip's label, as gpiodetect shows it in brackets")
	}
	return found
}

// operations is where the operations of this boot are kept; "" in memory only.
func (s settings) operations() string {
	if s.state == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(s.state), "agent-operations.json")
}

func parseTLS(tls document.Value) identity.Files {
	if !tls.Written() {
		return identity.Files{}
	}
	file := func(key, what string) string {
		value := tls.Map().Key(key).Required("the PEM file of " + what)
		path := value.String("")
		if path != "" && !filepath.IsAbs(path) {
			value.Fault("an absolute path")
		}
		return path
	}
	return identity.Files{
		Authority:   file("authority", "the case's authority"),
		Certificate: file("certificate", "this node's certificate"),
		Key:         file("key", "this node's key"),
	}
}

func parseListen(list document.Value, secure bool) []string {
	if !list.Written() {
		return []string{defaultListen}
	}
	var addresses []string
	seen := map[string]bool{}
	for _, item := range list.List() {
		address := item.String("")
		switch why := badAddress(address); {
		case why != "":
			item.Fault(why)
		case seen[address]:
			item.Fault("is listed twice")
		case !secure && !identity.Loopback(address):
			item.Fault("TCP beyond loopback is served with TLS only: set tls.authority, tls.certificate and tls.key, or listen on a unix socket or 127.0.0.1")
		}
		seen[address] = true
		addresses = append(addresses, address)
	}
	if len(addresses) == 0 {
		list.Fault("at least one address: unix:///absolute/path or host:port")
	}
	return addresses
}

// badAddress says what is wrong with an address to listen on.
func badAddress(address string) string {
	const forms = "an address is unix:///absolute/path or host:port"
	if path, unix := strings.CutPrefix(address, "unix://"); unix {
		if !filepath.IsAbs(path) {
			return forms
		}
		return ""
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return forms
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "a port is 1 to 65535"
	}
	return ""
}
