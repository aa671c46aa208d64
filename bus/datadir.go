package bus

import (
	"os"
	"path/filepath"
)

// DefaultDir returns the data directory of the local host where none is named:
// $LWJ_DIR, else $XDG_STATE_HOME/lwj, else ~/.local/state/lwj. A relative
// XDG_STATE_HOME is ignored, as the XDG base directory specification says.
//
// Errors: CodeUsage when there is no home directory either.
func DefaultDir() (string, error) {
	if dir := os.Getenv("LWJ_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "lwj"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", NewError(CodeUsage, "no data directory: %v", err).WithHint("set LWJ_DIR, or use --dir")
	}
	return filepath.Join(home, ".local", "state", "lwj"), nil
}
