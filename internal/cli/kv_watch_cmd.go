package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// Variables of the command that kv watch runs for a change.
const (
	envKey       = "LWJ_KEY"
	envValueFile = "LWJ_VALUE_FILE"
	envRevision  = "LWJ_REVISION"
	envOp        = "LWJ_OP"
)

// changeRunner runs a command for each change.
type changeRunner struct {
	*kv
	command  []string
	keysOnly bool
}

// caughtUp has nothing to tell a command.
func (*changeRunner) caughtUp(uint64) error { return nil }

// change runs the command to its end. One that fails ends the watch, as does a
// key that the command cannot be told.
func (r *changeRunner) change(ctx context.Context, ev kvbucket.Event) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := ev.Entry
	if strings.Contains(e.Key, "\x00") {
		why := bus.NewError(bus.CodeUsage, "key %q at revision %d has a NUL, which no variable can hold: the watch ends", e.Key, e.Revision)
		return errTold{exitFailed, why.WithHint("leave out CMD and read -o jsonl")}
	}
	env := []string{envKey + "=" + e.Key, envRevision + "=" + utoa(e.Revision), envOp + "=" + e.Op.String(), envValueFile + "="}
	if r.keysOnly {
		return r.run(ctx, e, env)
	}
	file, err := valueFile(e.Value)
	if err != nil {
		return err
	}
	env[len(env)-1] += file
	return errors.Join(r.run(ctx, e, env), os.Remove(file))
}

// valueFile writes a value, nothing for a delete, into a file of its own, which
// whoever runs this program alone can read.
func valueFile(value []byte) (string, error) {
	f, err := os.CreateTemp("", "lwj-value-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(value)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (r *changeRunner) run(ctx context.Context, e *kvbucket.Entry, env []string) error {
	code, err := r.runChild(ctx, r.kv.command(r.command, env...), nil)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case code == exitOK:
		return nil
	}
	what := bus.NewError(bus.CodeInternal, "the command ended with %d for the %s of key %q at revision %d, and the watch with it", code, e.Op, e.Key, e.Revision)
	return errTold{code, what.WithHint("--since %d begins again with this change", e.Revision)}
}
