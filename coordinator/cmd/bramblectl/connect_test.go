package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

// Both sides prove who they are, and a stranger on either side gets nowhere.
func TestMutualTLS(t *testing.T) {
	ours, theirs := identitytest.NewAuthority(t, "pico5"), identitytest.NewAuthority(t, "another case")
	server := ours.Issue(t, t.TempDir(), identitytest.Request{})
	client := ours.Issue(t, t.TempDir(), identitytest.Request{})
	stranger := theirs.Issue(t, t.TempDir(), identitytest.Request{})
	source, err := identity.Load(server, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(story(t, "empty.json"), grpc.Creds(source.Server()))
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	for _, c := range []struct {
		who    string
		files  identity.Files
		code   int
		stderr string
	}{
		{"one of the case", client, 0, ""},
		{"a stranger", stranger, exitReach, "check --authority, --certificate and --key"},
		{"somebody without certificate", identity.Files{}, exitReach, "name --authority, --certificate and --key"},
	} {
		args := []string{"nodes", "--address", l.Addr().String()}
		if c.files.Key != "" {
			args = append(args, "--authority", c.files.Authority, "--certificate", c.files.Certificate, "--key", c.files.Key)
		}
		var stdout, stderr bytes.Buffer
		code := run(context.Background(), process{args: args, getenv: func(string) string { return "" }, stdout: &stdout, stderr: &stderr,
			width: func() int { return 0 }, now: time.Now, dial: new(net.Dialer).DialContext})
		if code != c.code || !strings.Contains(stderr.String(), c.stderr) || strings.Count(stderr.String(), "\n") > 1 {
			t.Errorf("%s: ended with %d and said %q", c.who, code, stderr.String())
		}
	}
}

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ address, network, target string }{
		{"unix:///run/bramble/coordinator.sock", "unix", "/run/bramble/coordinator.sock"},
		{"unix:/run/bramble/coordinator.sock", "unix", "/run/bramble/coordinator.sock"},
		{"unix:socket", "unix", "socket"},
		{"master:7710", "tcp", "master:7710"},
		{"[fe80::1%eth0]:7710", "tcp", "[fe80::1%eth0]:7710"},
		{"unix:", "", ""},
		{"unix://", "", ""},
		{"unix://socket", "", ""},
		{"/run/socket", "", ""},
		{"master", "", ""},
		{":7710", "", ""},
		{"master:0", "", ""},
		{"master:65536", "", ""},
		{"", "", ""},
	} {
		network, target, err := parseAddress(c.address)
		if network != c.network || target != c.target || (err == nil) != (c.network != "") {
			t.Errorf("%q is %s %s, %v", c.address, network, target, err)
		}
	}
}

func TestParseDuty(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64 // negative: refused
	}{
		{"40%", 0.4}, {"0%", 0}, {"100%", 1}, {"12.5%", 0.125}, {"40 %", 0.4},
		{"0.4%", 0.004}, // odd, and the coordinator's to refuse
		{"0.4", -1}, {"1", -1}, {"0", -1}, {"40", -1}, {"", -1}, {"%", -1}, {"100.1%", -1}, {"-1%", -1}, {"NaN%", -1}, {"Inf%", -1}, {"40%%", -1},
	} {
		got, err := parseDuty(c.text)
		if (err != nil) != (c.want < 0) || err == nil && got != c.want {
			t.Errorf("%q is %v, %v", c.text, got, err)
		}
	}
}
