package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lwjbus/lwjbus/bus"
)

// Publish tells other processes where the host is: it replaces the host file
// of the directory, mode 0600, whole or not at all. Call it when the server
// listens (see Server.HostFile), and again when Restart changed its URL.
//
// Errors: bus.ErrClosed after Close; *bus.Error of code store.
func (l *Lock) Publish(h bus.HostFile) error {
	content, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return bus.ErrClosed
	}
	if err := writeFile(l.hostPath(), content); err != nil {
		return storeError(l.dir, err)
	}
	l.published = content
	return nil
}

func (l *Lock) hostPath() string { return filepath.Join(l.dir, bus.HostFileName) }

// withdrawLocked removes the host file that we wrote, not one that somebody
// put in its place.
func (l *Lock) withdrawLocked() error {
	if l.published == nil {
		return nil
	}
	found, err := os.ReadFile(l.hostPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !bytes.Equal(found, l.published):
		return nil
	}
	return os.Remove(l.hostPath())
}

// HostFile returns what Publish tells others about this server. store is the
// id of the store: clients refuse to go on with another one.
func (s *Server) HostFile(store string) bus.HostFile {
	return bus.HostFile{
		Format:      Format,
		Store:       store,
		Namespace:   s.cfg.Namespace,
		PID:         os.Getpid(),
		Address:     s.address(),
		Certificate: string(s.id.certPEM),
		Seed:        string(s.id.local.seed),
		ViewSeed:    string(s.id.view.seed),
	}
}
