package engine

import "github.com/lwjbus/lwjbus/bus"

// Shares of the quota, in percent.
const (
	quotaReserve = 5  // for what ends or frees something
	shedTo       = 90 // shedding stops here
	shedAgain    = 1  // what the state must grow before shedding is tried again
)

// quota refuses a transaction that grows the state beyond its quota. Past
// versions are shed before anything is refused.
func (e *Engine) quota(before int64, reserve bool) error {
	limit := e.cfg.Quota
	if !reserve {
		limit -= limit * quotaReserve / 100
	}
	if e.head.bytes <= limit || e.head.bytes <= before {
		return nil
	}
	return bus.NewError(bus.CodeFull, "the state has %d bytes; its quota is %d", e.head.bytes, e.cfg.Quota).
		WithHint("delete keys or forget finished jobs, or give the host a larger quota")
}

// considerShedding drops past versions when the state comes near its quota:
// what is shed is no write.
func (e *Engine) considerShedding() {
	e.bare = min(e.bare, e.head.bytes)
	if e.head.bytes > e.cfg.Quota-e.cfg.Quota*quotaReserve/100 && e.makeRoom() && len(e.rounds) == 0 {
		e.view.Store(e.snapshot())
	}
}

// makeRoom sheds past versions and tells whether there were any. It does not
// look for them again until the state has grown: looking walks over all keys.
func (e *Engine) makeRoom() bool {
	before, limit := e.head.bytes, e.cfg.Quota*shedTo/100
	if before <= limit || before-e.bare < e.cfg.Quota*shedAgain/100 {
		return false
	}
	e.head.shed(limit)
	e.bare = e.head.bytes
	return e.bare < before
}

// shed drops past versions, bucket by bucket, until the state has at most
// limit bytes. Readers of the past are told that it is compacted.
func (s *state) shed(limit int64) {
	var names []string
	s.Buckets(func(name string) bool { names = append(names, name); return true })
	for _, name := range names {
		k := s.touch(name)
		var long []*slot
		k.slots("", nil, func(sl *slot) bool {
			if len(sl.older) > 0 {
				long = append(long, sl)
			}
			return true
		})
		for _, sl := range long {
			if s.bytes <= limit {
				return
			}
			s.shorten(k, sl)
		}
	}
}

func (s *state) shorten(k *keys, sl *slot) {
	for _, c := range sl.older {
		s.count(k, -changeSize(c))
	}
	m := &k.live
	if sl.cur.Op == bus.OpDelete {
		m = &k.dead
	}
	m.Set(sl.cur.Key, &slot{cur: sl.cur})
}
