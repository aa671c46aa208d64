package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lwjbus/lwjbus/bus/embedded"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// benchOptions are the flags of bench.
type benchOptions struct {
	duration time.Duration
	callers  []int
	size     int
}

// What is measured.
const (
	benchRaw = "raw" // acknowledged JetStream publishes, in process
	benchPut = "put" // puts, in process
	benchAPI = "api" // puts of a client of its own connection
)

// maxCallers bounds --callers: each is a goroutine that waits for its answer.
const maxCallers = 4096

func (a *app) benchCommand() *cobra.Command {
	o := &benchOptions{}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what this machine's disk and the bus can do",
		Long: "Measure, on a temporary host, every acknowledgement on disk: raw JetStream publishes, puts in the\n" +
			"host's process, and puts of a client over the API, with several numbers of callers, each of which waits\n" +
			"for its answer. RATIO is to raw publishes with as many callers in the same run. The host's directory is\n" +
			"made in $TMPDIR, or in --dir, and removed.",
		Example: "  lwj bench --duration 50ms --callers 1,16",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return a.bench(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.DurationVar(&o.duration, "duration", time.Second, "each measurement takes `D`")
	f.IntSliceVar(&o.callers, "callers", []int{1, 16, 64}, "`N,…` callers at a time")
	f.IntVar(&o.size, "size", 128, "`BYTES` of a value")
	return c
}

func (o *benchOptions) check() error {
	switch {
	case o.duration <= 0:
		return usagef("--duration %v: it is longer than 0", o.duration)
	case o.size < 0 || o.size > kvbucket.MaxValue:
		return usagef("--size %d: it is 0 to %d", o.size, kvbucket.MaxValue)
	case len(o.callers) == 0:
		return usagef("--callers: name at least one number")
	}
	for _, n := range o.callers {
		if n < 1 || n > maxCallers {
			return usagef("--callers %d: it is 1 to %d", n, maxCallers)
		}
	}
	return nil
}

func (a *app) bench(ctx context.Context, o *benchOptions) error {
	dir, err := a.benchDir()
	if err != nil {
		return err
	}
	b, err := a.openBench(ctx, dir, o.size)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	rows := a.rows("WHAT", "CALLERS", "PER SECOND", "RATIO", "P50", "P99")
	return errors.Join(endRows(rows, b.all(ctx, rows, o)), b.close(), os.RemoveAll(dir))
}

// benchDir makes the temporary directory.
func (a *app) benchDir() (string, error) {
	if a.dir != "" {
		if err := os.MkdirAll(a.dir, 0o700); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(a.dir, "lwj-bench-")
}

// all measures everything; what is compared is measured close together.
func (b *bench) all(ctx context.Context, rows *rows, o *benchOptions) error {
	for _, callers := range o.callers {
		raw := 0.0
		for _, what := range []string{benchRaw, benchPut, benchAPI} {
			m, err := measure(ctx, callers, o.duration, b.calls[what])
			if err != nil {
				return fmt.Errorf("measure %s with %d callers: %w", what, callers, err)
			}
			if what == benchRaw {
				raw = m.perSecond()
			}
			if err := rows.add(newBenchJSON(what, m, o.size, raw), benchCells(what, m, raw)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchJSON is schema bench.v1.
type benchJSON struct {
	Schema     string  `json:"schema"`
	What       string  `json:"what"`
	Callers    int     `json:"callers"`
	Size       int     `json:"size"`
	Durability string  `json:"durability"`
	Elapsed    string  `json:"elapsed"`
	Operations int     `json:"operations"`
	PerSecond  float64 `json:"per_second"`
	Ratio      float64 `json:"ratio"` // to raw with as many callers
	P50        string  `json:"p50"`
	P99        string  `json:"p99"`
}

func newBenchJSON(what string, m *measured, size int, raw float64) benchJSON {
	return benchJSON{
		"bench.v1", what, m.callers, size, embedded.Synced, m.elapsed.String(), len(m.took),
		m.perSecond(), m.perSecond() / raw, m.quantile(50).String(), m.quantile(99).String(),
	}
}

func benchCells(what string, m *measured, raw float64) []string {
	return []string{
		what, strconv.Itoa(m.callers), fmt.Sprintf("%.0f", m.perSecond()), fmt.Sprintf("%.2f", m.perSecond()/raw),
		m.quantile(50).Round(time.Microsecond).String(), m.quantile(99).Round(time.Microsecond).String(),
	}
}
