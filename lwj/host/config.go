package host

import (
	"log/slog"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/bus/embedded"
)

// Config says what a host is. The zero value of a field is its default where
// one is named.
type Config struct {
	// Dir is the data directory. Default: bus.DefaultDir().
	Dir string
	// Namespace is the first token of every subject. Default: bus.DefaultNamespace.
	Namespace string
	// Durability is embedded.Synced or embedded.Fast. Default: embedded.Synced.
	Durability embedded.Durability
	// Port is the loopback port. Default: 0, a free one.
	Port int
	// Quota bounds the state in memory, in bytes. Default: 2 GiB.
	Quota int64
	// OutputBytes bounds all job output that is kept. Default: DefaultOutputBytes.
	OutputBytes int64
	// Never makes Join fail where no host is, instead of becoming one. Default: false.
	Never bool
	// Conn is the base of the connections that the host and sessions hand out.
	Conn bus.Config
	// Version is what the host says of itself. Default: "0.0.0".
	Version string
	// Logger. Default: none.
	Logger *slog.Logger
}

// DefaultOutputBytes bounds the output of all jobs together.
const DefaultOutputBytes = 4 << 30

func (c Config) withDefaults() (Config, error) {
	if c.Namespace == "" {
		c.Namespace = bus.DefaultNamespace
	}
	if c.Durability == "" {
		c.Durability = embedded.Synced
	}
	if c.OutputBytes == 0 {
		c.OutputBytes = DefaultOutputBytes
	}
	if c.Version == "" {
		c.Version = "0.0.0"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dir == "" {
		dir, err := bus.DefaultDir()
		if err != nil {
			return c, err
		}
		c.Dir = dir
	}
	c.Conn.Namespace = c.Namespace
	return c, nil
}
