package identity

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"time"
)

// A PEM file of an identity is a few KiB; more is a wrong path, perhaps a device.
const maxFileBytes = 1 << 20

// readFile returns the content of one of the files.
func readFile(what, path string) ([]byte, os.FileInfo, error) {
	if path == "" {
		return nil, nil, fmt.Errorf("%s: no file given: authority, certificate and key are needed together", what)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileBytes {
		return nil, nil, fmt.Errorf("%s %s: not a PEM file of at most 1 MiB", what, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	return data, info, nil
}

// certificates returns the certificates of a file, at least one, and the file's content.
func certificates(what, path string) ([]*x509.Certificate, []byte, error) {
	content, _, err := readFile(what, path)
	if err != nil {
		return nil, nil, err
	}
	var found []*x509.Certificate
	rest := content
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s %s: %w: copy the file again", what, path, err)
		}
		found = append(found, c)
	}
	if len(found) == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, nil, fmt.Errorf("%s %s: not whole PEM certificates (BEGIN CERTIFICATE ... END CERTIFICATE): copy the file again", what, path)
	}
	return found, content, nil
}

// readKey refuses a key that any user of the machine could read: whoever has it is this process.
func (f Files) readKey() ([]byte, error) {
	content, info, err := readFile("key", f.Key)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return nil, fmt.Errorf("key %s: mode %04o lets every user of this machine read or write it: chmod o= %s", f.Key, mode, f.Key)
	}
	return content, nil
}

func checkTime(path string, c *x509.Certificate, now time.Time) error {
	if now.After(c.NotAfter) {
		return fmt.Errorf("certificate %s: expired on %s: renew it, or set this machine's clock (%s) if it is wrong", path, day(c.NotAfter), day(now))
	}
	if now.Before(c.NotBefore) {
		return fmt.Errorf("certificate %s: valid only from %s: set this machine's clock, which says %s", path, day(c.NotBefore), day(now))
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// checkNames refuses a certificate that may serve but names no host: every client would refuse it.
func checkNames(path string, c *x509.Certificate) error {
	serves := len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	if serves && len(c.DNSNames) == 0 && len(c.IPAddresses) == 0 {
		return fmt.Errorf("certificate %s: has no subjectAltName: issue it again with the DNS names and IP addresses under which this machine is dialled", path)
	}
	return nil
}
