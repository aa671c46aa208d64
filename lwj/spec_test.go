package lwj

import (
	"strings"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// TestBadSpecs is case J20: refused with what and why, and nothing is stored.
func TestBadSpecs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	many := func(n int, s string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = s
		}
		return out
	}
	for _, c := range []struct {
		name string
		spec Spec
		want bus.Code
		says string
	}{
		{"no command", Spec{}, bus.CodeUsage, "empty"},
		{"empty program", Spec{Command: []string{""}}, bus.CodeUsage, "empty"},
		{"70,000 arguments", Spec{Command: many(70_000, "a")}, bus.CodeUsage, "70000 arguments; at most 65536"},
		{"NUL in an argument", Spec{Command: []string{"a", "b\x00"}}, bus.CodeUsage, "NUL"},
		{"over 1 MiB", Spec{Command: []string{"a", strings.Repeat("x", MaxSpec)}}, bus.CodeTooLarge, "at most 1048576"},
		{"label without key", Spec{Command: []string{"a"}, Labels: map[string]string{"": "v"}}, bus.CodeUsage, "label"},
		{"label with newline", Spec{Command: []string{"a"}, Labels: map[string]string{"k": "a\nb"}}, bus.CodeUsage, "control"},
		{"label that is no UTF-8", Spec{Command: []string{"a"}, Labels: map[string]string{"k": "\xff"}}, bus.CodeUsage, "UTF-8"},
		{"tasks", Spec{Command: []string{"a"}, Tasks: 4097}, bus.CodeUsage, "4097 tasks"},
		{"negative tasks", Spec{Command: []string{"a"}, Tasks: -1}, bus.CodeUsage, "-1 tasks"},
		{"priority", Spec{Command: []string{"a"}, Priority: 1000}, bus.CodeUsage, "0 to 999"},
		{"negative priority", Spec{Command: []string{"a"}, Priority: -1}, bus.CodeUsage, "0 to 999"},
		{"env", Spec{Command: []string{"a"}, Env: []string{"=v"}}, bus.CodeUsage, "K=V"},
		{"env NUL", Spec{Command: []string{"a"}, Env: []string{"k=\x00"}}, bus.CodeUsage, "NUL"},
		{"relative directory", Spec{Command: []string{"a"}, Dir: "tmp"}, bus.CodeUsage, "absolute"},
		{"long name", Spec{Command: []string{"a"}, Name: strings.Repeat("n", MaxName+1)}, bus.CodeUsage, "name"},
		{"retries", Spec{Command: []string{"a"}, Retries: -1}, bus.CodeUsage, "retries"},
		{"delay", Spec{Command: []string{"a"}, Delay: -1}, bus.CodeUsage, "delay"},
		{"machine", Spec{Command: []string{"a"}, Machine: &Machine{}}, bus.CodeUsage, "machine"},
	} {
		_, err := h.client.Submit(testContext(t), c.spec)
		text := errText(err)
		if bus.CodeOf(err) != c.want || !strings.Contains(text, c.says) || strings.Contains(text, "\n") {
			t.Errorf("%s: want %s in one line saying %q, got %s", c.name, c.want, c.says, text)
		}
		// The host itself refuses what a client of another kind sends.
		err = h.conn.Call(testContext(t), VerbSubmit, &SubmitRequest{Specs: []Spec{NewSpec("true"), c.spec}}, nil)
		if bus.CodeOf(err) != c.want || !strings.Contains(errText(err), "spec 2 of 2") {
			t.Errorf("%s: want the host to say %s of spec 2, got %v", c.name, c.want, err)
		}
	}
	wantEqual(t, "revision", 0, h.engine.Snapshot().Revision())
}

// errText is what an error says, with its hint.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() + "; " + asBusError(err).Hint
}

func TestSpecAtItsBounds(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	args := make([]string, MaxArgs)
	for i := range args {
		args[i] = "a"
	}
	s := NewSpec(args...)
	s.Tasks, s.Priority, s.Labels, s.Env = MaxTasks, MaxPriority, map[string]string{"团队": "数据 1"}, []string{"K=a=b"}
	info := h.show(h.submit(s))
	wantEqual(t, "arguments", MaxArgs, len(info.Spec.Command))
	wantEqual(t, "label", "数据 1", info.Spec.Labels["团队"])
	wantEqual(t, "default of tasks", 1, h.show(h.submit(Spec{Command: []string{"true"}})).Spec.Tasks)
}

func TestTaskEnv(t *testing.T) {
	t.Parallel()
	task := Task{Job: 7, Task: 1, Tasks: 2, Attempt: 3, Epoch: 4, Namespace: "lwj", Dir: "/d"}
	want := "LWJ_JOBID=7 LWJ_TASK=1 LWJ_NTASKS=2 LWJ_ATTEMPT=3 LWJ_EPOCH=4 LWJ_NAMESPACE=lwj LWJ_HOST=never LWJ_DIR=/d"
	wantEqual(t, "environment", want, strings.Join(task.Env(), " "))
	task.Server = "nats://h:4222"
	wantEqual(t, "with a server", strings.Replace(want, "LWJ_DIR=/d", "LWJ_SERVER=nats://h:4222", 1), strings.Join(task.Env(), " "))
}
