package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// Values of -o.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputLines = "jsonl"
)

// outputOf finds -o in a command line that may not be understood otherwise,
// so that what is wrong with it is told as asked for.
func outputOf(args []string, getenv func(string) (string, bool)) string {
	out, ok := getenv("LWJ_OUTPUT")
	if !ok || out == "" {
		out = outputTable
	}
	for i, arg := range args {
		name, value, inline := strings.Cut(arg, "=")
		switch {
		case arg == "--":
			return out
		case inline && (name == "-o" || name == "--output"):
			out = value
		case (arg == "-o" || arg == "--output") && i+1 < len(args):
			out = args[i+1]
		case strings.HasPrefix(arg, "-oj"):
			out = arg[len("-o"):]
		}
	}
	return out
}

// rows prints the rows of a command: a table, one JSON array, or JSON lines.
type rows struct {
	out    io.Writer
	format string
	header []string
	table  *tabwriter.Writer // nil: each row is written at once, its cells two blanks apart
	n      int
}

// rows begins a table with a header; it is written by close.
func (a *app) rows(header ...string) *rows {
	return &rows{out: a.Out, format: a.output, header: header, table: tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)}
}

// stream begins rows that are written as they come.
func (a *app) stream() *rows { return &rows{out: a.Out, format: a.output} }

// add prints one row: v as JSON, or cells, which it makes fit for a line.
func (r *rows) add(v any, cells ...string) error {
	defer func() { r.n++ }()
	if r.format != outputTable {
		return r.addJSON(v)
	}
	for i, c := range cells {
		cells[i] = printable(c)
	}
	if r.table == nil {
		return writeString(r.out, strings.TrimRight(strings.Join(cells, "  "), " ")+"\n")
	}
	if r.n == 0 && len(r.header) > 0 {
		fmt.Fprintln(r.table, strings.Join(r.header, "\t")) // the writer keeps it until close
	}
	_, err := fmt.Fprintln(r.table, strings.Join(cells, "\t"))
	return err
}

func (r *rows) addJSON(v any) error {
	line, err := encodeJSON(v)
	if err != nil {
		return err
	}
	if r.format == outputLines {
		return writeString(r.out, line+"\n")
	}
	if r.n == 0 {
		return writeString(r.out, "["+line)
	}
	return writeString(r.out, ",\n"+line)
}

// close ends the rows.
func (r *rows) close() error {
	switch {
	case r.format == outputJSON && r.n == 0:
		return writeString(r.out, "[]\n")
	case r.format == outputJSON:
		return writeString(r.out, "]\n")
	case r.format == outputTable && r.table != nil:
		return r.table.Flush()
	}
	return nil
}

// print prints one thing: v as JSON, or text.
func (a *app) print(v any, text string) error {
	if a.output == outputTable {
		return writeString(a.Out, text)
	}
	line, err := encodeJSON(v)
	if err != nil {
		return err
	}
	return writeString(a.Out, line+"\n")
}

// say writes a line of talk.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.Err, format+"\n", args...)
}

func writeString(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}

// encodeJSON encodes on one line, leaving < > & as they are.
func encodeJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// printable quotes what would break a line or speak to a terminal.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// visible escapes what would speak to a terminal and leaves the rest as it is.
func visible(s string) string {
	if printable(s) == s {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		part := s[:n]
		if n == 1 && r == utf8.RuneError || !unicode.IsPrint(r) {
			part = strconv.Quote(part)
			part = part[1 : len(part)-1]
		}
		b.WriteString(part)
		s = s[n:]
	}
	return b.String()
}

// stamp is a time as JSON has it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// stampNano is stamp of nanoseconds since 1970; empty for 0.
func stampNano(ns int64) string {
	if ns == 0 {
		return ""
	}
	return stamp(time.Unix(0, ns))
}

// clockTime is a time as tables have it.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }

// endRows closes rows after what made them.
func endRows(r *rows, err error) error {
	if errors.Is(err, errClosedOut) {
		return err
	}
	return errors.Join(err, r.close())
}
