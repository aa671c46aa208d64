package atomic

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// shownWord is how many bytes of what is no word an error shows.
const shownWord = 32

func wordProcedures() []engine.Procedure {
	writable := kvbucket.Writable()
	return []engine.Procedure{engine.Write(verbWord, func(in *wordRequest) error {
		if !in.Op.writes() {
			return bus.NewError(bus.CodeUsage, "operation %d on a word is not known here", in.Op).WithHint("compare lwj version of client and host")
		}
		return writable(in.Bucket, in.Key)
	}, doWord)}
}

func wordReads() []engine.Read {
	writable := kvbucket.Writable()
	check := func(in *wordRequest) error { return writable(in.Bucket, in.Key) }
	return []engine.Read{engine.ReadOf(verbLoad, check, func(v *engine.View, in *wordRequest) (any, error) {
		c, word, err := find(v, in)
		if err != nil {
			return nil, err
		}
		return &wordAnswer{Before: word, After: word, Met: true, Existed: c != nil, Revision: v.Revision()}, nil
	})}
}

// find reads the word of a request; the change is nil where there is none.
func find(r engine.Reader, in *wordRequest) (*bus.Change, int64, error) {
	c := r.Get(in.Bucket, in.Key)
	if c == nil {
		if in.MustExist {
			return nil, 0, bus.NewError(bus.CodeNotFound, "no word %q in bucket %s", in.Key, in.Bucket)
		}
		return nil, 0, nil
	}
	word, err := parse(c.Value)
	if err != nil {
		return nil, 0, bus.NewError(bus.CodeNotWord, "key %q of bucket %s is not a word: it holds %s, no decimal integer of 64 bits", in.Key, in.Bucket, shown(c.Value)).
			WithHint("use another key, or put a number there")
	}
	return c, word, nil
}

// parse reads a word as people write it: white space around it does no harm.
func parse(value []byte) (int64, error) {
	return strconv.ParseInt(strings.Trim(string(value), " \t\r\n"), 10, 64)
}

func shown(value []byte) string {
	if len(value) <= shownWord {
		return fmt.Sprintf("%q", value)
	}
	return fmt.Sprintf("%q…", value[:shownWord])
}

func doWord(tx *engine.Tx, in *wordRequest) (any, error) {
	c, word, err := find(tx, in)
	if err != nil {
		return nil, err
	}
	a := &wordAnswer{Before: word, Existed: c != nil, Revision: tx.Revision() - 1}
	if a.After, a.Met, err = in.Op.apply(word, in.X, in.Y); err != nil {
		return nil, err
	}
	if a.Met && in.write(tx, a.After) {
		a.Revision = tx.Revision()
	}
	return a, nil
}

// write stores what became of the word, and tells whether there was anything
// to do.
func (r *wordRequest) write(tx *engine.Tx, word int64) bool {
	if r.Op == Remove {
		return tx.Delete(r.Bucket, r.Key, bus.ReasonDeleted)
	}
	tx.Put(r.Bucket, r.Key, strconv.AppendInt(nil, word, 10))
	return true
}
