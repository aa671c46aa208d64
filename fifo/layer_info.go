package fifo

import (
	"math"
	"time"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// pipesPerPage is how many pipes one answer lists.
const pipesPerPage = 256

// describe is what there is to know of a pipe.
func describe(r ranger, c *bus.Change, rec record) *Info {
	m, d := &rec.Lines[mainLane], &rec.Lines[deadLane]
	return &Info{
		Name: c.Key, ID: c.Created, Config: rec.limits(),
		Ready: int(m.ready()), InFlight: int(m.Held + d.Held), Dead: int(d.ready()), Bytes: int64(rec.Bytes),
		Writers: writers(r, c.Created, math.MaxInt), Closed: rec.is(flagClosed), Created: time.Unix(0, int64(rec.Born)),
		Put: rec.Put, Acknowledged: rec.Acked, Returned: rec.Returned, Buried: rec.Buried,
	}
}

func info(v *engine.View, in *pipeRequest) (any, error) {
	c, rec, err := find(v, in)
	if err != nil {
		return nil, err
	}
	return describe(v, c, rec), nil
}

func list(v *engine.View, in *listRequest) (any, error) {
	var a listAnswer
	v.Range(pipeBucket, in.After, nil, func(c *bus.Change) bool {
		rec, ok := decodeRecord(c.Value)
		if c.Key == in.After || !ok {
			return true
		}
		if a.More = len(a.Pipes) == pipesPerPage; a.More {
			return false
		}
		a.Pipes = append(a.Pipes, describe(v, c, rec))
		return true
	})
	return &a, nil
}
