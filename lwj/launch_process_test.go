package lwj

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/lwjbus/lwjbus/bus"
)

// envLauncher makes the test binary a launcher at the server it names: it runs
// the script of its standard input, prints "id N", and at its end "lost" or
// the state.
const envLauncher = "LWJ_TEST_LAUNCHER"

func launcherProcess() {
	url := os.Getenv(envLauncher)
	if url == "" {
		return
	}
	os.Unsetenv(envLauncher)
	if err := launcherMain(url); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func launcherMain(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	nc, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer nc.Close()
	conn, err := bus.New(bus.Config{NATS: nc})
	if err != nil {
		return err
	}
	defer conn.Close()
	script, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	l, err := NewLauncher(ctx, conn, LauncherConfig{Lease: MinLease})
	if err != nil {
		return err
	}
	j, err := l.Run(ctx, sh(string(script)), RunOptions{})
	if err != nil {
		return err
	}
	fmt.Println("id", j.ID())
	r, err := j.Wait(ctx)
	if err != nil {
		return err
	}
	if r.Lost {
		r.State = "lost"
	}
	fmt.Println(r.State)
	return nil
}

// process is a launcher in a process of its own, and the job it runs.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	id    uint64
	alive *os.File // at its end when the job's process is gone
}

// startProcess serves the host's API and starts a launcher whose job runs
// script and, as long as it lives, holds process.alive open.
func startProcess(t *testing.T, h *testHost, script string) *process {
	t.Helper()
	serve(t, h)
	fifo := filepath.Join(t.TempDir(), "alive")
	must(t, syscall.Mkfifo(fifo, 0o600))
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), envLauncher+"="+h.nc.ConnectedUrl())
	p.cmd.Stdin = strings.NewReader("exec 9>" + fifo + "; " + script)
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.cmd.Stderr = os.Stderr
	must(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	p.lines = bufio.NewScanner(out)
	if _, err := fmt.Sscanf(p.line(), "id %d", &p.id); err != nil {
		t.Fatal(err)
	}
	p.alive, err = os.Open(fifo) // returns when the job's process has it open
	must(t, err)
	t.Cleanup(func() { p.alive.Close() })
	_, err = h.client.Wait(testContext(t), Running, p.id)
	must(t, err)
	return p
}

func (p *process) line() string {
	p.lines.Scan()
	return p.lines.Text()
}

// gone returns when the job's process is.
func (p *process) gone(t *testing.T) {
	t.Helper()
	_, err := io.Copy(io.Discard, p.alive)
	must(t, err)
}

// serve answers the API as a host does.
func serve(t *testing.T, h *testHost) {
	t.Helper()
	sub, err := h.nc.Subscribe(h.conn.Names().API("*", ">"), func(m *nats.Msg) {
		var req bus.Request
		token := strings.SplitN(m.Subject, ".", 5)
		if bus.Unmarshal(m.Data, &req) != nil || len(token) < 5 {
			return
		}
		h.engine.Submit(token[3], token[4], &req, func(res *bus.Response) {
			if b, err := bus.Marshal(res); err == nil {
				_ = m.Respond(b)
			}
		})
	})
	must(t, err)
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

var lostRun = []string{"null→reserved", "reserved→starting", "starting→running", "running→failed"}

// J11: a launcher that was paused past its lease has lost its job: what it
// says then is refused, and the job has one history.
func TestLauncherPaused(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	m := monitor(t, h, EventOptions{})
	p := startProcess(t, h, "read never </dev/zero & wait $!; exit 0")
	must(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	_, err := h.client.Wait(testContext(t), Failed, p.id)
	must(t, err)
	must(t, p.cmd.Process.Signal(syscall.SIGCONT))
	wantEqual(t, "what the launcher says", "lost", p.line())
	p.gone(t)
	wantPath(t, lostRun, lifes(t, m, 1)[p.id])
	wantEqual(t, "reason", ReasonLost, h.show(p.id).State.Detail.Reason)
}

func TestLauncherKilled(t *testing.T) {
	t.Parallel()
	h := newHost(t, withNATS)
	m := monitor(t, h, EventOptions{})
	p := startProcess(t, h, "exec sleep 60")
	must(t, p.cmd.Process.Kill())
	p.gone(t)
	wantPath(t, lostRun, lifes(t, m, 1)[p.id])
	wantEqual(t, "reason", ReasonLost, h.show(p.id).State.Detail.Reason)
}
