package proc

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// signed is the text that the process pid would have signed.
func signed(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Split(identity(), "/")
	id[2], id[3] = strconv.Itoa(pid), statField(stat, statStart)
	return "host h" + signature + strings.Join(id, "/")
}

func wantGone(t *testing.T, what string, want bool, text string) {
	t.Helper()
	if got := Gone(text); got != want {
		t.Errorf("%s: want gone %v, got %v (%s)", what, want, got, text)
	}
}

// TestGone: a process is gone when that is certain, and not before.
func TestGone(t *testing.T) {
	t.Parallel()
	text := Sign("host h, process of mine, pid 7")
	id := strings.Split(text[strings.LastIndex(text, signature)+len(signature):], "/")
	if len(id) != 4 || id[2] != strconv.Itoa(os.Getpid()) {
		t.Fatalf("want this process's identity, got %q", text)
	}
	changed := func(part int, to string) string {
		other := append([]string(nil), id...)
		other[part] = to
		return "h" + signature + strings.Join(other, "/")
	}
	for what, tt := range map[string]struct {
		text string
		want bool
	}{
		"this process":      {text, false},
		"unsigned":          {"host h, pid 1", false},
		"nonsense":          {"h" + signature + "a/b/c/d", false},
		"nonsense too":      {"h" + signature, false},
		"all processes":     {changed(2, "-1"), false},
		"its group":         {changed(2, "0"), false},
		"another boot":      {changed(0, "00000000-0000-0000-0000-000000000000"), true},
		"another namespace": {changed(1, "pid:[1]"), false},
		"another start":     {changed(3, "1"), true},
		"no such process":   {changed(2, "2147483647"), true},
	} {
		wantGone(t, what, tt.want, tt.text)
	}
}

// TestGoneWhenKilled: one that was killed is gone, also while its parent has
// not taken note.
func TestGoneWhenKilled(t *testing.T) {
	t.Parallel()
	c := exec.Command("cat")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	text := signed(t, c.Process.Pid)
	wantGone(t, "it runs", false, text)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "it waits for its parent", true, text)
	_ = c.Wait() // signal: killed
	wantGone(t, "its parent has taken note", true, text)
}
