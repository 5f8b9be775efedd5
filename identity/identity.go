// Package identity is who a process is on the wire: a certificate of the case's own authority, its key, and the
// mutual TLS 1.3 built from them.
//
// A Source reads three PEM files and checks them at once, so that a wrong file is found at start and not at the first
// connection. Every later handshake looks at the files again (three stat calls) and uses the newest ones; a running
// connection keeps what it began with. A new set that does not pass the checks is logged once and the old set stays
// in use, so that a half-copied file never takes a case off the air.
//
// Both sides always prove themselves: no client without a certificate of the authority, no server whose certificate
// does not name the host that was dialled, nothing below TLS 1.3, and no resumed session that would skip the checks.
//
// A Source and the credentials made from it may be used by any number of goroutines.
package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/credentials"
)

// Files names the three PEM files of one identity. All are needed.
type Files struct {
	Authority   string // certificates of the case's authority; several while it is being replaced
	Certificate string // this process's certificate, followed by intermediate ones if there are any
	Key         string // the certificate's private key, readable by its user and group only
}

// Source is one identity, kept up to date with its files.
type Source struct {
	files  Files
	logger hclog.Logger

	mu      sync.Mutex
	current *material
	tried   stamp // of the files at the last attempt to read them, whether it succeeded or not
}

// material is one consistent, checked reading of the three files.
type material struct {
	authority   *x509.CertPool
	certificate tls.Certificate
}

// Load reads and checks the files. The error names the file at fault and what to do about it; several faults are
// joined. A nil logger is silent.
func Load(files Files, logger hclog.Logger) (*Source, error) {
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	tried := files.stamp()
	current, err := files.read(time.Now())
	if err != nil {
		return nil, err
	}
	return &Source{files: files, logger: logger, current: current, tried: tried}, nil
}

// Server returns credentials for a gRPC server: they demand a certificate of the authority from every client.
func (s *Source) Server() credentials.TransportCredentials {
	return &transport{source: s}
}

// Client returns credentials for a gRPC client: they present the certificate, and accept a server only if the
// authority signed for the host that was dialled.
func (s *Source) Client() credentials.TransportCredentials {
	return &transport{source: s}
}

// Certificate returns the certificate in use now. The caller must not change it.
func (s *Source) Certificate() *x509.Certificate {
	return s.newest().certificate.Leaf
}

// newest returns the material of the newest files that passed the checks.
func (s *Source) newest() *material {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The stamp is taken before the files are read: a change in between shows as another stamp next time.
	now := s.files.stamp()
	if now.same(s.tried) {
		return s.current
	}
	s.tried = now
	fresh, err := s.files.read(time.Now())
	if err != nil {
		s.logger.Error("new certificate files refused, the old ones stay in use", "path", s.files.Certificate, "error", err)
		return s.current
	}
	s.logger.Info("certificate files reloaded", "path", s.files.Certificate)
	s.current = fresh
	return fresh
}

func (m *material) server() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{m.certificate},
		ClientCAs:    m.authority,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS13,
		// A resumed session would skip the checks. As each handshake has a configuration of its own, no ticket could be
		// redeemed anyway; so none is sent.
		SessionTicketsDisabled: true,
	}
}

func (m *material) client() *tls.Config {
	return &tls.Config{
		// Not Certificates: that stays silent when the server names another authority, and the server's
		// "certificate required" would then hide the cause.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &m.certificate, nil },
		RootCAs:              m.authority,
		MinVersion:           tls.VersionTLS13,
	}
}

// stamp tells one state of the files from another. A file that cannot be looked at is nil.
type stamp [3]os.FileInfo

func (f Files) stamp() stamp {
	var s stamp
	for i, path := range []string{f.Authority, f.Certificate, f.Key} {
		if info, err := os.Stat(path); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s stamp) same(other stamp) bool {
	for i, a := range s {
		b := other[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) || a.Mode() != b.Mode() {
			return false
		}
	}
	return true
}

// read reads each of the three files once, checks them, and reports every fault found.
func (f Files) read(now time.Time) (*material, error) {
	authority, _, faultAuthority := certificates("authority", f.Authority)
	chain, chainPEM, faultCertificate := certificates("certificate", f.Certificate)
	keyPEM, faultKey := f.readKey()
	if err := errors.Join(faultAuthority, faultCertificate, faultKey); err != nil {
		return nil, err
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range authority {
		if !c.IsCA {
			return nil, fmt.Errorf("authority %s: %s is not an authority's certificate: name the file that signed the nodes' certificates", f.Authority, c.Subject)
		}
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	pair, err := tls.X509KeyPair(chainPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("key %s: does not go with certificate %s (%w): copy both again from where they were issued", f.Key, f.Certificate, err)
	}
	leaf := chain[0]
	pair.Leaf = leaf
	if err := errors.Join(checkTime(f.Certificate, leaf, now), checkNames(f.Certificate, leaf)); err != nil {
		return nil, err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("certificate %s: not accepted by authority %s (%w): use a certificate that this authority issued", f.Certificate, f.Authority, err)
	}
	return &material{authority: roots, certificate: pair}, nil
}
