package cli

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/lwj/host"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	listen     string
	durability string
}

func (a *app) serveCommand() *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use:   "serve",
		Short: "Be the host of this machine until a signal",
		Long: "Be the host of this machine until a signal. Where another process is the host already, stand by and\n" +
			"take over when it leaves. Without serve the first lwj that runs is the host for as long as it runs.",
		Example: "  lwj serve & trap 'kill $!' EXIT\n  lwj kv put greeting hello\n  lwj kv get greeting",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.serveConfig(o)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), cfg)
		},
	}
	c.Flags().StringVar(&o.listen, "listen", "", "loopback `ADDR` to listen on, 127.0.0.1:PORT; default: a free port")
	c.Flags().StringVar(&o.durability, "durability", embedded.Synced, "`synced|fast`: acknowledged is on disk, or will be within "+embedded.FastWindow.String())
	return c
}

func (a *app) serveConfig(o *serveOptions) (cfg host.Config, err error) {
	switch {
	case a.serverName() != "":
		return cfg, usagef("serve is the host of this machine: leave out --server and --context, and NATS_URL")
	case a.host == hostNever:
		return cfg, usagef("serve with --host never has nothing to do")
	case o.durability != embedded.Synced && o.durability != embedded.Fast:
		return cfg, usagef("--durability %s: it is %s or %s", o.durability, embedded.Synced, embedded.Fast)
	}
	cfg = a.hostConfig()
	cfg.Durability = o.durability
	if o.listen != "" {
		cfg.Port, err = loopbackPort(o.listen)
	}
	return cfg, err
}

// loopbackPort is the port of an address that only this machine can reach.
func loopbackPort(addr string) (int, error) {
	name, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, usagef("--listen %s: it is of the form 127.0.0.1:PORT", addr)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, usagef("--listen %s: %q is no port", addr, text)
	}
	if name == "localhost" {
		return int(port), nil
	}
	ip, err := netip.ParseAddr(name)
	switch {
	case err != nil || !ip.IsLoopback():
		return 0, usagef("--listen %s: only this machine is served, at 127.0.0.1: beyond it a host needs TLS and users", addr)
	case ip != netip.AddrFrom4([4]byte{127, 0, 0, 1}):
		return 0, usagef("--listen %s: of the loopback addresses only 127.0.0.1 is served", addr)
	}
	return int(port), nil
}

// serve stays on the bus until ctx ends.
func (a *app) serve(ctx context.Context, cfg host.Config) error {
	l, err := a.connectLocal(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(a.stay(ctx, l), l.Close())
}

// stay tells who the host is, now and whenever that changes.
func (a *app) stay(ctx context.Context, l *link) error {
	changed := l.NATS().StatusChanged(nats.CONNECTED)
	rows := a.stream()
	told := host.Status{}
	for {
		status, err := a.hostStatus(ctx, l)
		if err == nil && status.URL != told.URL {
			told = *status
			err = a.tellHost(rows, l, status)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, bus.ErrUnreachable) {
			return endRows(rows, err)
		}
		select {
		case <-ctx.Done():
			return endRows(rows, nil)
		case <-changed:
		}
	}
}

func (a *app) hostStatus(ctx context.Context, l *link) (*host.Status, error) {
	status := new(host.Status)
	return status, l.Call(ctx, host.VerbStatus, struct{}{}, status, bus.Read())
}

// hostJSON is schema host.v1.
type hostJSON struct {
	Schema     string `json:"schema"`
	Role       string `json:"role"` // host, or standby for another process
	URL        string `json:"url"`
	Dir        string `json:"dir"`
	Namespace  string `json:"namespace"`
	Store      string `json:"store"`
	Durability string `json:"durability"`
	PowerCut   string `json:"power_cut"` // what one would lose
	Revision   uint64 `json:"revision"`
}

// tellHost tells on stderr where the host is, or prints it as JSON.
func (a *app) tellHost(rows *rows, l *link, s *host.Status) error {
	dir, err := a.localDir()
	if err != nil {
		return err
	}
	j := hostJSON{"host.v1", "host", s.URL, dir, s.Namespace, s.Store, s.Durability, s.PowerCut, s.Revision}
	if !l.session.Hosting() {
		j.Role = "standby"
	}
	switch {
	case rows.format != outputTable:
		return rows.add(j)
	case j.Role == "host":
		a.say("hosting %s at %s, namespace %s; a power cut loses %s", j.Dir, j.URL, j.Namespace, j.PowerCut)
	default:
		a.say("standing by: another process hosts %s at %s", j.Dir, j.URL)
	}
	return nil
}
