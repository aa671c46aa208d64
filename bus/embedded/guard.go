package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lwjbus/lwjbus/bus"
	"golang.org/x/sys/unix"
)

// Format is the version of the layout of a data directory that this code
// writes. It reads no newer one.
const Format = bus.HostFormat

const (
	formatFile  = "format"  // Format, decimal
	machineFile = "machine" // hash of the id of the machine that made the directory
)

// guard decides who may host a directory. Its functions are the system's, but
// in tests.
type guard struct {
	uid     int
	network func(dir string) (string, error) // name of dir's file system if it is a network one, else ""
	machine func() string                    // the machine's id, "" if it has none
}

func systemGuard() guard {
	return guard{uid: os.Geteuid(), network: networkFS, machine: machineID}
}

// machineID returns the id that systemd or D-Bus gave the machine.
func machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if b, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// checkDir makes dir if need be and refuses one that is not ours alone.
func (g guard) checkDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := g.checkOwner(dir, info); err != nil {
		return err
	}
	if info.Mode().Perm() != dirMode {
		if err := narrow(dir); err != nil {
			return err
		}
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	return g.checkNetwork(dir)
}

// narrow closes a directory to others, if it is empty or was a data directory
// before: one with other things in it is somebody's for another purpose.
func narrow(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	ours := slices.ContainsFunc(files, func(f fs.DirEntry) bool { return f.Name() == formatFile })
	if len(files) > 0 && !ours {
		return refuse("use a --dir that is empty or new",
			"%s has other things in it and others may look into it: it is not made a data directory", dir)
	}
	return os.Chmod(dir, dirMode)
}

func (g guard) checkOwner(dir string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == g.uid {
		return nil
	}
	return refuse("run as that user, or use another --dir",
		"the data directory %s belongs to user %d, and this is user %d", dir, st.Uid, g.uid)
}

func (g guard) checkNetwork(dir string) error {
	name, err := g.network(dir)
	if err != nil || name == "" {
		return err
	}
	return refuse("use a --dir on a disk of this machine",
		"the data directory %s is on a network file system (%s), where locks and syncs cannot be relied on", dir, name)
}

// checkContent refuses a directory of another machine or of a newer format,
// and marks a new one. The lock is held.
func (g guard) checkContent(dir string) error {
	if err := checkFormat(dir); err != nil {
		return err
	}
	return g.checkMachine(dir)
}

func checkFormat(dir string) error {
	path := filepath.Join(dir, formatFile)
	text, err := readOrMake(path, func() ([]byte, error) { return []byte(strconv.Itoa(Format) + "\n"), nil })
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	switch {
	case err != nil || n == 0:
		return refuse("write the format into it, or use another --dir", "%s is damaged: it holds %.20q, not a format", path, text)
	case n > Format:
		return refuse("upgrade lwj, or use another --dir", "the data directory %s was made by a newer version (format %d; this is format %d)", dir, n, Format)
	}
	return nil
}

func (g guard) checkMachine(dir string) error {
	id := g.machine()
	if id == "" {
		return nil
	}
	sum := sha256.Sum256([]byte("lwj " + id))
	ours := hex.EncodeToString(sum[:])
	path := filepath.Join(dir, machineFile)
	bound, err := readOrMake(path, func() ([]byte, error) { return []byte(ours + "\n"), nil })
	if err != nil || strings.TrimSpace(string(bound)) == ours {
		return err
	}
	return refuse("use another --dir; or, if you moved it here and nothing hosts it there any more, remove "+path,
		"the data directory %s was made on another machine", dir)
}

func refuse(hint, format string, args ...any) error {
	return bus.NewError(bus.CodeStore, format, args...).WithHint("%s", hint)
}
