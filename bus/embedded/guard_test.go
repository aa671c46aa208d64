package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
)

// TestForeignDirectoryIsLeftAlone: a directory that others may look into and
// that has other things in it is refused as it is; an empty one is closed.
func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	full, empty := t.TempDir(), t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(full, "file"), nil, 0o644), os.Chmod(full, 0o755), os.Chmod(empty, 0o755)); err != nil {
		t.Fatal(err)
	}
	_, err := TryLock(full)
	if want := bus.CodeStore; bus.CodeOf(err) != want {
		t.Errorf("a directory with a file: want %s, got %v", want, err)
	}
	files, err := os.ReadDir(full)
	if info, statErr := os.Stat(full); err != nil || statErr != nil || len(files) != 1 || info.Mode().Perm() != 0o755 {
		t.Errorf("want the directory as it was, got %v, %v", files, info)
	}
	lock, err := TryLock(empty)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if info, err := os.Stat(empty); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("want mode 700, got %v, %v", info, err)
	}
}
