package fifo

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// Limits of names, items and batches.
const (
	MaxName       = 256     // bytes of a pipe's name
	MaxItem       = 1 << 20 // bytes of an item
	MaxBatch      = 512     // items that are put or handed out at once
	MaxBatchBytes = 4 << 20 // of the items that are put or handed out at once
)

// Defaults and bounds of a Config.
const (
	DefaultMaxItems = 10_000
	DefaultMaxBytes = 64 << 20
	DefaultAckWait  = 30 * time.Second
	MostItems       = 1 << 20 // of Config.MaxItems
	MostBytes       = 1 << 30 // of Config.MaxBytes
	MinAckWait      = 100 * time.Millisecond
	MaxAckWait      = 24 * time.Hour
	MostDeliveries  = 1 << 20 // of Config.MaxDeliver
)

// NoAckWait is the AckWait of a pipe that waits for an acknowledgement for as
// long as the consumer's session lives.
const NoAckWait time.Duration = -1

// Config is the limits of a pipe. The zero value works.
type Config struct {
	// MaxItems bounds the items in the pipe, those in flight and the dead
	// letters included, 1 to MostItems. Default: DefaultMaxItems.
	MaxItems int
	// MaxBytes bounds the bytes of the same items, 1 to MostBytes. Default:
	// DefaultMaxBytes.
	MaxBytes int64
	// AckWait is how long a consumer has to acknowledge what it was handed,
	// MinAckWait to MaxAckWait in steps of a millisecond; then it is handed to
	// another. NoAckWait: as long as its session lives. Default: DefaultAckWait.
	AckWait time.Duration
	// MaxDeliver is how often an item is handed out before it goes to the dead
	// letters, at most MostDeliveries. Default: 0, as often as it takes.
	MaxDeliver int
}

// fill sets what is not said.
func (c *Config) fill() {
	if c.MaxItems == 0 {
		c.MaxItems = DefaultMaxItems
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.AckWait == 0 {
		c.AckWait = DefaultAckWait
	}
	if c.AckWait != NoAckWait {
		c.AckWait = c.AckWait.Truncate(time.Millisecond)
	}
}

func (c *Config) check() error {
	switch {
	case c.MaxItems < 1 || c.MaxItems > MostItems:
		return usage("a pipe holds 1 to %d items, not %d", MostItems, c.MaxItems)
	case c.MaxBytes < 1 || c.MaxBytes > MostBytes:
		return usage("a pipe holds 1 to %d bytes, not %d", MostBytes, c.MaxBytes)
	case c.AckWait != NoAckWait && (c.AckWait < MinAckWait || c.AckWait > MaxAckWait):
		return usage("an acknowledgement is waited for %v to %v, not %v", MinAckWait, MaxAckWait, c.AckWait)
	case c.MaxDeliver < 0 || c.MaxDeliver > MostDeliveries:
		return usage("an item is handed out 1 to %d times, or 0 for no bound, not %d", MostDeliveries, c.MaxDeliver)
	}
	return nil
}

func usage(format string, args ...any) error { return bus.NewError(bus.CodeUsage, format, args...) }

// shownName is how many bytes of a bad name an error shows.
const shownName = 64

func checkName(name string) error {
	switch {
	case name == "" || len(name) > MaxName:
		return badName("a pipe's name has 1 to %d bytes, not %d", MaxName, len(name))
	case !utf8.ValidString(name):
		return badName("the pipe name %q is no UTF-8", name[:min(len(name), shownName)])
	case strings.ContainsFunc(name, unicode.IsControl):
		return badName("the pipe name %q has control characters", name[:min(len(name), shownName)])
	}
	return nil
}

func checkItems(items [][]byte) error {
	if len(items) == 0 || len(items) > MaxBatch {
		return bus.NewError(bus.CodeTooLarge, "a batch has 1 to %d items, not %d", MaxBatch, len(items)).WithHint("split it")
	}
	total := 0
	for _, item := range items {
		if total += len(item); len(item) > MaxItem {
			return tooLarge(len(item))
		}
	}
	if total > MaxBatchBytes {
		return bus.NewError(bus.CodeTooLarge, "the batch has %d bytes; at most %d are allowed", total, MaxBatchBytes).WithHint("split it")
	}
	return nil
}

func tooLarge(bytes int) error {
	return bus.NewError(bus.CodeTooLarge, "the item has %d bytes; at most %d are allowed", bytes, MaxItem).
		WithHint("store the data elsewhere and put its name")
}

func checkCount(n int) error {
	if n < 1 || n > MaxBatch {
		return usage("1 to %d items can be asked for at once, not %d", MaxBatch, n)
	}
	return nil
}
