package identity_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"

	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/identity/identitytest"
)

func load(t *testing.T, files identity.Files) *identity.Source {
	t.Helper()
	source, err := identity.Load(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// handshake runs both sides over one connection, which must buffer: both may send an alert at once. TLS 1.3 tells a
// client about the server's refusal only with the first data, so the server sends a byte and the client reads it.
func handshake(t *testing.T, server, client credentials.TransportCredentials, dialled string) (serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	b, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer a.Close()
		conn, _, err := server.ServerHandshake(a)
		if err == nil {
			_, err = conn.Write([]byte{1})
		}
		serverErr = err
	})
	conn, _, err := client.ClientHandshake(context.Background(), dialled, b)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	clientErr = err
	b.Close()
	wg.Wait()
	return serverErr, clientErr
}

func TestHandshake(t *testing.T) {
	ours := identitytest.NewAuthority(t, "ours")
	node := load(t, ours.Issue(t, t.TempDir(), identitytest.Request{Names: []string{"worker-1.local", "192.168.7.21"}}))
	coordinator := load(t, ours.Issue(t, t.TempDir(), identitytest.Request{}))
	stranger := load(t, identitytest.NewAuthority(t, "theirs").Issue(t, t.TempDir(), identitytest.Request{Names: []string{"worker-1.local"}}))
	callsOnly := load(t, ours.Issue(t, t.TempDir(), identitytest.Request{Names: []string{"worker-1.local"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))
	roots := x509.NewCertPool()
	roots.AddCert(node.Certificate()) // trusted directly: only the other side's checks are under test
	// One that trusts the node all right, and shows it the given certificate.
	showing := func(files identity.Files) credentials.TransportCredentials {
		pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		return credentials.NewTLS(&tls.Config{
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil },
			RootCAs:              roots,
		})
	}
	foreign := identitytest.NewAuthority(t, "theirs").Issue(t, t.TempDir(), identitytest.Request{})
	expired := ours.Issue(t, t.TempDir(), identitytest.Request{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	servesOnly := ours.Issue(t, t.TempDir(), identitytest.Request{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	plain := func(c *tls.Config) credentials.TransportCredentials {
		c.RootCAs = roots
		return credentials.NewTLS(c)
	}

	tests := []struct {
		name           string
		server, client credentials.TransportCredentials
		dialled        string
		serverErr      string // part of the error, "" none
		clientErr      string
	}{
		{"by name", node.Server(), coordinator.Client(), "worker-1.local:7700", "", ""},
		{"by IP address", node.Server(), coordinator.Client(), "192.168.7.21:7700", "", ""},
		{"another host", node.Server(), coordinator.Client(), "worker-2.local:7700", "bad certificate", "not worker-2.local"},
		{"another IP address", node.Server(), coordinator.Client(), "192.168.7.22:7700", "bad certificate", "192.168.7.22"},
		{"server of another authority", stranger.Server(), coordinator.Client(), "worker-1.local:7700", "bad certificate", "unknown authority"},
		{"client of another authority", node.Server(), stranger.Client(), "worker-1.local:7700", "bad certificate", "unknown authority"},
		{"client with a foreign certificate", node.Server(), showing(foreign), "worker-1.local:7700", "unknown authority", "unknown certificate authority"},
		{"client with an expired certificate", node.Server(), showing(expired), "worker-1.local:7700", "expired", "expired certificate"},
		{"client that may only serve", node.Server(), showing(servesOnly), "worker-1.local:7700", "incompatible key usage", "bad certificate"},
		{"a server that may only call", callsOnly.Server(), coordinator.Client(), "worker-1.local:7700", "bad certificate", "incompatible key usage"},
		{"client without a certificate", node.Server(), plain(&tls.Config{}), "worker-1.local:7700", "didn't provide a certificate", "certificate required"},
		{"client with TLS 1.2", node.Server(), plain(&tls.Config{MaxVersion: tls.VersionTLS12}), "worker-1.local:7700", "unsupported versions", "protocol version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			serverErr, clientErr := handshake(t, test.server, test.client, test.dialled)
			check(t, "server", serverErr, test.serverErr)
			check(t, "client", clientErr, test.clientErr)
		})
	}

	t.Run("server with TLS 1.2", func(t *testing.T) {
		old := credentials.NewTLS(&tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{}}})
		_, clientErr := handshake(t, old, coordinator.Client(), "worker-1.local:7700")
		check(t, "client", clientErr, "protocol version")
	})
}

func check(t *testing.T, side string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", side, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got error %v, want one with %q", side, err, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	ours := identitytest.NewAuthority(t, "ours")
	tests := []struct {
		name    string
		request identitytest.Request
		damage  func(t *testing.T, f *identity.Files)
		want    []string
	}{
		{"nothing configured", identitytest.Request{}, func(t *testing.T, f *identity.Files) { *f = identity.Files{} },
			[]string{"authority: no file given", "certificate: no file given", "key: no file given"}},
		{"missing files", identitytest.Request{}, func(t *testing.T, f *identity.Files) { remove(t, f.Authority); remove(t, f.Key) },
			[]string{"authority: stat", "authority.pem: no such file", "key: stat", "key.pem: no such file"}},
		{"expired", identitytest.Request{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}, nil,
			[]string{"certificate.pem: expired on", "renew it, or set this machine's clock"}},
		{"not yet valid", identitytest.Request{NotBefore: time.Now().Add(time.Hour)}, nil, []string{"certificate.pem: valid only from"}},
		{"no name", identitytest.Request{Nameless: true}, nil, []string{"certificate.pem: has no subjectAltName"}},
		{"another authority", identitytest.Request{}, func(t *testing.T, f *identity.Files) {
			f.Authority = identitytest.NewAuthority(t, "theirs").Issue(t, t.TempDir(), identitytest.Request{}).Authority
		}, []string{"certificate.pem: not accepted by authority", "unknown authority"}},
		{"usable for nothing here", identitytest.Request{Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}, nil, []string{"incompatible key usage"}},
		{"a leaf as authority", identitytest.Request{}, func(t *testing.T, f *identity.Files) { f.Authority = f.Certificate },
			[]string{"is not an authority's certificate"}},
		{"another key", identitytest.Request{}, func(t *testing.T, f *identity.Files) {
			f.Key = ours.Issue(t, t.TempDir(), identitytest.Request{}).Key
		}, []string{"key.pem: does not go with certificate"}},
		{"key for everyone", identitytest.Request{}, func(t *testing.T, f *identity.Files) { chmod(t, f.Key, 0o644) },
			[]string{"key.pem: mode 0644", "chmod o= "}},
		{"truncated", identitytest.Request{}, func(t *testing.T, f *identity.Files) { truncate(t, f.Certificate) },
			[]string{"certificate.pem: not whole PEM certificates"}},
		{"a directory", identitytest.Request{}, func(t *testing.T, f *identity.Files) { f.Certificate = filepath.Dir(f.Certificate) },
			[]string{"not a PEM file"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := ours.Issue(t, t.TempDir(), test.request)
			if test.damage != nil {
				test.damage(t, &files)
			}
			_, err := identity.Load(files, nil)
			for _, want := range test.want {
				check(t, "Load", err, want)
			}
		})
	}
}

func TestLoadAccepts(t *testing.T) {
	ours := identitytest.NewAuthority(t, "ours")
	t.Run("a key for the group", func(t *testing.T) {
		files := ours.Issue(t, t.TempDir(), identitytest.Request{})
		chmod(t, files.Key, 0o640)
		load(t, files)
	})
	t.Run("a person's certificate, which only calls and has no name", func(t *testing.T) {
		load(t, ours.Issue(t, t.TempDir(), identitytest.Request{Nameless: true, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}))
	})
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

func TestReload(t *testing.T) {
	ours, theirs := identitytest.NewAuthority(t, "ours"), identitytest.NewAuthority(t, "theirs")
	dir := t.TempDir()
	var log bytes.Buffer
	node, err := identity.Load(ours.Issue(t, dir, identitytest.Request{}), hclog.New(&hclog.LoggerOptions{Output: &log}))
	if err != nil {
		t.Fatal(err)
	}
	server := node.Server() // made once, as a gRPC server does
	us := load(t, ours.Issue(t, t.TempDir(), identitytest.Request{})).Client()
	them := load(t, theirs.Issue(t, t.TempDir(), identitytest.Request{})).Client()
	accepts := func(client credentials.TransportCredentials) bool {
		serverErr, clientErr := handshake(t, server, client, "localhost:7700")
		return errors.Join(serverErr, clientErr) == nil
	}
	logged := func(phrase string) int { return strings.Count(log.String(), phrase) }

	if !accepts(us) || accepts(them) {
		t.Fatal("before any change: want our client accepted and theirs refused")
	}
	// Half of a change: a key that does not go with the certificate.
	old, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !accepts(us) {
			t.Fatal("a broken new file must keep the old one in use")
		}
	}
	if n := logged("refused, the old ones stay in use"); n != 1 {
		t.Errorf("a broken file is logged once, got %d lines:\n%s", n, log.String())
	}
	remove(t, filepath.Join(dir, "key.pem"))
	for range 2 {
		if !accepts(us) {
			t.Fatal("a missing file must keep the old one in use")
		}
	}
	if n := logged("refused, the old ones stay in use"); n != 2 {
		t.Errorf("a missing file is one more line, got %d:\n%s", n, log.String())
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	if !accepts(us) {
		t.Fatal("the repaired file must work")
	}
	theirs.Issue(t, dir, identitytest.Request{})
	if accepts(us) || !accepts(them) {
		t.Fatal("after the change of authority: want their client accepted and ours refused")
	}
	if n := logged("certificate files reloaded"); n != 2 {
		t.Errorf("want two reloads logged, got %d:\n%s", n, log.String())
	}
	if node.Certificate().Issuer.CommonName != "theirs" {
		t.Errorf("certificate in use is issued by %s", node.Certificate().Issuer)
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"unix:///run/bramble/agent.sock": true, "unix:agent.sock": true, "/run/bramble/agent.sock": true,
		"127.0.0.1:7700": true, "127.9.9.9:1": true, "127.0.0.1": true, "[::1]:7700": true, "::1": true, "[::1]": true,
		"[::ffff:127.0.0.1]:7700": true, "localhost:7700": true, "LOCALHOST": true,
		"": false, ":7710": false, "0.0.0.0:7710": false, "[::]:7710": false, "192.168.7.21:7700": false,
		"worker-1.local:7700": false, "localhost.example.org:7700": false, "127.0.0.1.example.org:7700": false,
		"unix-abstract:bramble": false, "[fe80::1%eth0]:7700": false,
	} {
		if got := identity.Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %t, want %t", address, got, want)
		}
	}
}
