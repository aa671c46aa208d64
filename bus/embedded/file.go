package embedded

import (
	"os"
	"path/filepath"
)

// The modes of everything in a data directory.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// writeFile replaces path: a reader sees the old content or the new one, whole.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	if err = fill(f, content); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// fill writes, syncs and closes f.
func fill(f *os.File, content []byte) error {
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}
