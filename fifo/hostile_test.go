package fifo_test

import (
	"fmt"
	"testing"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/fifo"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// TestHostile: requests that no client of ours makes change nothing, and the
// host goes on.
func TestHostile(t *testing.T) {
	t.Parallel()
	b, c := inProcess(t)
	p := create(t, c, "p", fifo.Config{})
	p.put("1", "2")
	r := p.reader()
	r.getN(1)
	other := p.reader().Session()
	before := *p.info()
	mine := r.Session()
	type row = []any
	for i, bad := range []struct {
		verb string
		body any
		want bus.Code
	}{
		{"fifo.put", nil, bus.CodeMalformed},
		{"fifo.put", "text", bus.CodeMalformed},
		{"fifo.put", row{"p", p.ID, 7}, bus.CodeMalformed},
		{"fifo.put", row{"p", p.ID, row{}}, bus.CodeTooLarge},
		{"fifo.put", row{"p", p.ID, row{[]byte("x")}, "nobody", 1, 0}, bus.CodeNoOwner},
		{"fifo.put", row{"p\n", 0, row{[]byte("x")}}, bus.CodeUsage},
		{"fifo.put", row{"p", p.ID + 1, row{[]byte("x")}}, bus.CodeRemoved},
		{"fifo.get", row{"p", p.ID, "nobody", 1, 0, 1, false, 0}, bus.CodeNoOwner},
		{"fifo.get", row{"p", p.ID, mine.ID(), mine.Token() + 1, 0, 1, false, 0}, bus.CodeNoOwner},
		{"fifo.get", row{"p", p.ID, mine.ID(), mine.Token(), 2, 1, false, 0}, bus.CodeUsage},
		{"fifo.get", row{"p", p.ID, mine.ID(), mine.Token(), 0, 0, false, 0}, bus.CodeUsage},
		{"fifo.get", row{"p", p.ID, mine.ID(), mine.Token(), 0, -1, false, 0}, bus.CodeUsage},
		{"fifo.get", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1 << 40, false, 0}, bus.CodeUsage},
		{"fifo.ack", row{"p", p.ID, other.ID(), other.Token(), 0, 1, nil, 1}, bus.CodeFenced},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 1, 1, nil, 1}, bus.CodeFenced},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 2, nil, 1}, bus.CodeFenced},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, []uint64{2}, 1}, bus.CodeFenced},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, []uint64{1, 1}, 1}, bus.CodeUsage},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, []uint64{1, 1 << 63}, 1}, bus.CodeFenced},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, make([]uint64, 600), 1}, bus.CodeUsage},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, nil, 0}, bus.CodeUsage},
		{"fifo.ack", row{"p", p.ID, mine.ID(), mine.Token(), 0, 1, nil, 4}, bus.CodeUsage},
		{"fifo.extend", row{"p", p.ID, other.ID(), other.Token(), 0, 1, nil, 1}, bus.CodeFenced},
		{"fifo.create", row{"q", -1, -1, 0, 0}, bus.CodeUsage},
		{"fifo.create", row{"q", 1 << 62, 1, 1000, 0}, bus.CodeUsage},
		{"fifo.create", row{"q", 1, 1, int64(1) << 62, 0}, bus.CodeUsage},
		{"fifo.create", row{"q", 1, 1, 0, 0}, bus.CodeUsage},
		{"fifo.writer", row{"p", p.ID, "nobody", 1}, bus.CodeNoOwner},
		{"fifo.info", row{"", 0}, bus.CodeUsage},
		{"fifo.giveup", row{"p", p.ID, 1, true, 9}, bus.CodeUsage},
	} {
		t.Run(fmt.Sprint(i, " ", bad.verb), func(t *testing.T) {
			same(t, bad.want, bus.CodeOf(c.Call(p.ctx, bad.verb, bad.body, nil)))
		})
	}
	same(t, before, *p.info())
	for _, bucket := range []string{"lwj-fifo", "lwj-fifo-item", "lwj-fifo-claim"} {
		kv, err := kvbucket.Open(c, bucket)
		check(t, err)
		_, err = kv.Put(p.ctx, "p", nil)
		wantError(t, kvbucket.ErrDenied, err)
	}
	b.restart()
	same(t, before, *p.info())
}
