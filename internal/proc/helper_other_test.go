//go:build !linux

package proc

// What needs a helper process needs Linux too.
const helperEnv, helperNoInit = "", "noinit"

func helpers() map[string]func() int { return nil }
