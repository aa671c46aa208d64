package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/natscontext"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// How long a NATS deployment that is not ours may take to answer.
const (
	dialTimeout  = 5 * time.Second
	probeTimeout = 5 * time.Second // until a host there answers
)

// How long a command that must not be the host waits for another process to
// become it, as one does when the host has left, and how often it looks.
const (
	takeoverTime  = 2 * time.Second
	takeoverPause = 20 * time.Millisecond
)

// link is a command's connection to the bus.
type link struct {
	*bus.Conn
	session *host.Session // nil: a NATS deployment that is not ours
	nc      *nats.Conn
}

// Close leaves the bus.
func (l *link) Close() error {
	if l.session != nil {
		return l.session.Close()
	}
	err := l.Conn.Close()
	l.nc.Close()
	return err
}

// with joins the bus for as long as do takes.
func (a *app) with(ctx context.Context, do func(*link) error) error {
	l, err := a.connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(l), l.Close())
}

// connect joins the bus: that of this machine, or of a NATS deployment.
func (a *app) connect(ctx context.Context) (*link, error) {
	if a.serverName() != "" {
		return a.connectServer(ctx)
	}
	return a.connectLocal(ctx, a.hostConfig())
}

func (a *app) busConfig() bus.Config {
	return bus.Config{Namespace: a.namespace, RequestTimeout: a.requestTimeout, Logger: a.log}
}

func (a *app) hostConfig() host.Config {
	return host.Config{
		Dir: a.dir, Namespace: a.namespace, Never: a.host == hostNever, Conn: a.busConfig(),
		Logger: a.log, Version: programVersion().Version,
	}
}

func (a *app) connectLocal(ctx context.Context, cfg host.Config) (*link, error) {
	wait, cancel := context.WithTimeout(ctx, a.requestTimeout)
	defer cancel()
	s, err := a.join(wait, cfg)
	switch {
	case err == nil:
		return &link{Conn: s.Conn(), session: s}, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, bus.NewError(bus.CodeUnreachable, "no host answered within %v: %v", a.requestTimeout, err)
	}
	return nil, err
}

// join joins the host of this machine. Where this process must not be it, and
// there is none, it may be about to come.
func (a *app) join(ctx context.Context, cfg host.Config) (*host.Session, error) {
	for end := time.Now().Add(takeoverTime); ; {
		s, err := host.Join(ctx, cfg)
		if !cfg.Never || !errors.Is(err, bus.ErrUnreachable) || time.Now().After(end) || !a.hostMayCome(ctx) {
			return s, err
		}
	}
}

// hostMayCome returns, a moment later, whether there has ever been a host: one
// process may be taking over from another.
func (a *app) hostMayCome(ctx context.Context) bool {
	dir, err := a.localDir()
	if err != nil {
		return false
	}
	if _, err := os.Stat(dir); err != nil {
		return false
	}
	moment := time.NewTimer(takeoverPause)
	defer moment.Stop()
	select {
	case <-moment.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// connectServer connects to a NATS deployment in which a host answers.
func (a *app) connectServer(ctx context.Context) (*link, error) {
	nc, err := a.dialServer()
	if err != nil {
		return nil, bus.NewError(bus.CodeUnreachable, "cannot connect to %s: %v", a.serverName(), err).
			WithHint("check the address and that the server runs")
	}
	cfg := a.busConfig()
	cfg.NATS = nc
	c, err := bus.New(cfg)
	if err != nil {
		nc.Close()
		return nil, err
	}
	l := &link{Conn: c, nc: nc}
	probe, cancel := context.WithTimeout(ctx, min(a.requestTimeout, probeTimeout))
	defer cancel()
	if err := c.Call(probe, host.VerbStatus, struct{}{}, nil, bus.Read()); err != nil {
		refusal := bus.NewError(bus.CodeUnreachable, "no lwj host answers on %s in namespace %s", a.serverName(), a.namespace).
			WithHint("leave out --server, or start lwj serve there")
		return nil, errors.Join(refusal, l.Close())
	}
	return l, nil
}

// serverName is the NATS deployment that was named: by a flag, its variable,
// or NATS's own variables; empty for the host of this machine.
func (a *app) serverName() string {
	switch {
	case a.server != "":
		return a.server
	case a.context != "":
		return "context " + a.context
	case a.dir != "":
		return ""
	case a.env("NATS_CONTEXT") != "":
		return "context " + a.env("NATS_CONTEXT")
	}
	return a.env("NATS_URL")
}

// contextName is the NATS context that was named, if one was.
func (a *app) contextName() string {
	if a.context != "" || a.server != "" {
		return a.context
	}
	return a.env("NATS_CONTEXT")
}

func (a *app) dialServer() (*nats.Conn, error) {
	opts := []nats.Option{nats.Name("lwj"), nats.Timeout(dialTimeout), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1)}
	if name := a.contextName(); name != "" {
		nc, _, err := natscontext.Connect(name, opts...)
		return nc, err
	}
	credentials, err := a.credentials()
	if err != nil {
		return nil, err
	}
	return nats.Connect(a.serverName(), append(opts, credentials...)...)
}

// credentials are those of the NATS_* variables.
func (a *app) credentials() (opts []nats.Option, err error) {
	if user := a.env("NATS_USER"); user != "" {
		opts = append(opts, nats.UserInfo(user, a.env("NATS_PASSWORD")))
	}
	if creds := a.env("NATS_CREDS"); creds != "" {
		opts = append(opts, nats.UserCredentials(creds))
	}
	if ca := a.env("NATS_CA"); ca != "" {
		opts = append(opts, nats.RootCAs(ca))
	}
	if cert, key := a.env("NATS_CERT"), a.env("NATS_KEY"); cert != "" && key != "" {
		opts = append(opts, nats.ClientCert(cert, key))
	}
	if seed := a.env("NATS_NKEY"); seed != "" {
		opt, err := nats.NkeyOptionFromSeed(seed)
		if err != nil {
			return nil, fmt.Errorf("NATS_NKEY: %w", err)
		}
		opts = append(opts, opt)
	}
	return opts, nil
}

// localDir is the data directory of the host of this machine.
func (a *app) localDir() (string, error) {
	if a.dir != "" {
		return a.dir, nil
	}
	return bus.DefaultDir()
}
