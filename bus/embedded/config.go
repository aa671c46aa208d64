package embedded

import (
	"log/slog"
	"os"
	"regexp"

	"github.com/lwjbus/lwjbus/bus"
)

// Durability is what an acknowledgement of the server means.
type Durability = string

// The durabilities.
const (
	Synced Durability = "synced" // acknowledged = on disk: a power cut loses nothing
	Fast   Durability = "fast"   // a killed process loses nothing, a power cut up to FastWindow
)

// Config says which server to start. Dir is required unless Memory is set.
type Config struct {
	// Dir is the data directory; the caller holds its Lock. It is made with
	// mode 0700 where it does not exist. Required, unless Memory is set.
	Dir string
	// Durability is Synced or Fast. Default: Synced.
	Durability Durability
	// Namespace is the first token of the subjects that clients may use.
	// Default: bus.DefaultNamespace.
	Namespace string
	// Port is the loopback port. Default: 0, a free one.
	Port int
	// Memory is for tests and for programs that are alone: nothing listens,
	// all connections are made in the process, without TLS. With an empty Dir
	// the store is a temporary directory that Shutdown removes. Default: false.
	Memory bool
	// Logger gets the server's warnings and errors. Default: none.
	Logger *slog.Logger
}

var namespacePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// withDefaults returns the config complete, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Durability == "" {
		c.Durability = Synced
	}
	if c.Namespace == "" {
		c.Namespace = bus.DefaultNamespace
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.validate()
}

func (c Config) validate() error {
	switch {
	case c.Durability != Synced && c.Durability != Fast:
		return bus.NewError(bus.CodeUsage, "durability %q is neither %q nor %q", c.Durability, Synced, Fast)
	case !namespacePattern.MatchString(c.Namespace):
		return bus.NewError(bus.CodeUsage, "namespace %q is not 1 to 64 of A-Z, a-z, 0-9, _ and -", c.Namespace)
	case c.Port < 0 || c.Port > 65535:
		return bus.NewError(bus.CodeUsage, "port %d is not between 0 and 65535", c.Port)
	case c.Dir == "" && !c.Memory:
		return bus.NewError(bus.CodeUsage, "no data directory is named")
	}
	return nil
}

// makeDir makes the data directory and reports whether it is a temporary one.
func (c *Config) makeDir() (temporary bool, err error) {
	if c.Dir != "" {
		return false, os.MkdirAll(c.Dir, dirMode)
	}
	c.Dir, err = os.MkdirTemp("", "lwj-")
	return true, err
}
