package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	coordinatorv1 "github.com/bramblemesh/bramble/gen/bramble/coordinator/v1"
	"github.com/bramblemesh/bramble/identity"
	"github.com/bramblemesh/bramble/internal/daemon"
	"github.com/bramblemesh/bramble/internal/screen"
)

// A node takes about 500 bytes, so a big case is beyond the 4 MiB that gRPC takes by default.
const maxMessageBytes = 64 << 20

// connection is a client of the coordinator that remembers why the last dial failed: gRPC tells it only as text.
type connection struct {
	coordinatorv1.CoordinatorServiceClient
	conn    *grpc.ClientConn
	address string
	timeout time.Duration

	mu      sync.Mutex
	dialErr error
	reached bool // a dial succeeded
}

// connect checks the address and prepares the client; the first request dials.
func (c *cli) connect() (*connection, error) {
	if c.timeout <= 0 {
		return nil, &failure{exitUsage, fmt.Errorf("--timeout %s: must be more than 0", c.timeout)}
	}
	network, target, err := parseAddress(c.address)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	secure, err := c.credentials(network)
	if err != nil {
		return nil, err
	}
	to := &connection{address: c.address, timeout: c.timeout}
	name := "passthrough:///" + target
	if network == "unix" {
		name = "passthrough:///localhost"
	}
	to.conn, err = grpc.NewClient(name,
		grpc.WithTransportCredentials(secure),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := c.dial(ctx, network, target)
			to.mu.Lock()
			defer to.mu.Unlock()
			to.dialErr, to.reached = err, to.reached || err == nil
			return conn, err
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: retryAfter / 2, Multiplier: 1, MaxDelay: retryAfter / 2},
			MinConnectTimeout: 2 * c.timeout, // the request's own deadline comes first
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes)),
		// An operation may have nothing to say for minutes.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithUnaryInterceptor(ownWords),
		grpc.WithUserAgent("bramblectl/"+daemon.Version()),
	)
	if err != nil {
		return nil, fmt.Errorf("coordinator at %s: %w", c.address, err)
	}
	to.CoordinatorServiceClient = coordinatorv1.NewCoordinatorServiceClient(to.conn)
	return to, nil
}

// ownWords marks what the coordinator itself says to be unavailable, such as its memory on disk: gRPC calls a broken line
// the same, but there no header comes with it.
func ownWords(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	var header, trailer metadata.MD
	err := invoke(ctx, method, request, answer, conn, append(options, grpc.Header(&header), grpc.Trailer(&trailer))...)
	if status.Code(err) == codes.Unavailable && header.Len()+trailer.Len() > 0 {
		return &failure{exitRefused, fmt.Errorf("refused: %s", status.Convert(err).Message())}
	}
	return err
}

// parseAddress takes unix:///abs, unix:path and host:port.
func parseAddress(address string) (network, target string, err error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		path, absolute := strings.CutPrefix(path, "//")
		if path == "" || absolute && !filepath.IsAbs(path) {
			return "", "", fmt.Errorf("address %q: write unix:///absolute/path or unix:relative/path", address)
		}
		return "unix", path, nil
	}
	if strings.HasPrefix(address, "/") {
		return "", "", fmt.Errorf("address %q: write unix://%s", address, address)
	}
	host, port, err := net.SplitHostPort(address)
	if n, convErr := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.Contains(host, "/") || convErr != nil || n == 0 {
		return "", "", fmt.Errorf("address %q: write unix:///path or host:port, such as master:7710", address)
	}
	return "tcp", address, nil
}

// credentials are TLS wherever files are named, and none on this machine otherwise.
func (c *cli) credentials(network string) (credentials.TransportCredentials, error) {
	none := c.files == identity.Files{}
	switch {
	case none && identity.Loopback(c.address):
		return insecure.NewCredentials(), nil
	case none:
		return nil, &failure{exitUsage, fmt.Errorf("address %s is not on this machine: name --authority, --certificate and --key", c.address)}
	case network == "unix":
		return nil, &failure{exitUsage, fmt.Errorf("address %s is a unix socket, which takes no certificate: leave out --authority, --certificate and --key", c.address)}
	case c.files.Authority == "" || c.files.Certificate == "" || c.files.Key == "":
		return nil, &failure{exitUsage, errors.New("--authority, --certificate and --key go together: name all three")}
	}
	source, err := identity.Load(c.files, nil)
	if err != nil {
		return nil, err
	}
	return source.Client(), nil
}

// failed makes a request's error one that a person can act on.
func (to *connection) failed(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if f, ok := answered(err); ok {
		return f
	}
	return &failure{exitReach, fmt.Errorf("cannot reach the coordinator at %s: %s", to.address, to.reason(err))}
}

// reason is why the coordinator could not be reached, and what to do.
func (to *connection) reason(err error) string {
	to.mu.Lock()
	if to.dialErr != nil {
		err = to.dialErr
	}
	to.mu.Unlock()
	local := strings.HasPrefix(to.address, "unix:")
	_, unknownHost := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such socket; is the coordinator running (systemctl status bramble-coordinator)? --address names another"
	case errors.Is(err, fs.ErrPermission) && local:
		return "permission denied; are you in group bramble (id -nG)?"
	case errors.Is(err, syscall.ECONNREFUSED) && local:
		return "nobody listens on the socket; is the coordinator running (systemctl status bramble-coordinator)?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused; is the coordinator running there, and configured to listen on this port?"
	case unknownHost:
		return "no address is known for this name; check the name, or write an IP address"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return fmt.Sprintf("no answer within %s; is the machine up and the coordinator well? --timeout waits longer", screen.Duration(to.timeout))
	}
	reason := transportReason(err)
	switch {
	case strings.Contains(reason, "handshake"):
		return reason + "; check --authority, --certificate and --key"
	case strings.Contains(reason, "server preface"):
		return "it hung up before it said a word; if it wants TLS, name --authority, --certificate and --key"
	}
	return reason
}

// transportReason is the inner part of gRPC's text for a connection that failed.
func transportReason(err error) string {
	text := status.Convert(err).Message()
	if _, quoted, ok := strings.Cut(text, "connection error: desc = "); ok {
		if inner, unquoteErr := strconv.Unquote(quoted); unquoteErr == nil {
			text = inner
		}
	}
	return strings.TrimPrefix(text, "transport: ")
}

// dialled reports whether a request may have reached the coordinator.
func (to *connection) dialled() bool {
	to.mu.Lock()
	defer to.mu.Unlock()
	return to.reached
}

// ask connects for one request and makes its error one that a person can act on.
func (c *cli) ask(ctx context.Context, request func(context.Context, *connection) error) error {
	to, err := c.connect()
	if err != nil {
		return err
	}
	defer to.conn.Close()
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err = request(limited, to)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &failure{exitInterrupted, errors.New("interrupted before the answer came")}
	}
	return to.failed(err)
}
