package faults_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// proxy stands between clients and the host of a directory. It follows the
// host to wherever that listens, and cuts connections.
type proxy struct {
	host     string // directory of the host
	dir      string // a directory whose host file names the proxy
	listener net.Listener
	wg       sync.WaitGroup
	cuts     atomic.Int64

	loseReply, loseRequest atomic.Bool // cut instead of the next bytes that way

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

func newProxy(t testing.TB, dir string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{host: dir, dir: t.TempDir(), listener: l, conns: map[net.Conn]struct{}{}}
	h, err := bus.ReadHostFile(dir)
	must(t, err)
	h.Address = l.Addr().String()
	data, err := json.Marshal(h)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(p.dir, bus.HostFileName), data, 0o600))
	p.wg.Go(p.accept) // ends with the listener; the cleanup waits
	t.Cleanup(p.close)
	return p
}

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cut()
	p.wg.Wait()
}

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := p.dialHost()
		if err != nil || !p.add(in, out) {
			in.Close()
			continue
		}
		p.wg.Go(func() { p.pump(in, out, &p.loseRequest) })
		p.wg.Go(func() { p.pump(out, in, &p.loseReply) })
	}
}

func (p *proxy) dialHost() (net.Conn, error) {
	h, err := bus.ReadHostFile(p.host)
	if err != nil {
		return nil, err
	}
	return net.Dial("tcp", h.Address)
}

// add reports false, with out closed, when the proxy is closed.
func (p *proxy) add(in, out net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		out.Close()
		return false
	}
	p.conns[in], p.conns[out] = struct{}{}, struct{}{}
	return true
}

// pump copies until an end closes, or what it should copy is to be lost.
func (p *proxy) pump(from, to net.Conn, lose *atomic.Bool) {
	defer p.drop(from, to)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && lose.CompareAndSwap(true, false) {
			p.cuts.Add(1)
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(p.conns, c)
	}
}

// cut closes every connection there is.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) > 0 {
		p.cuts.Add(1)
	}
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}
