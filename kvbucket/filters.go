package kvbucket

import (
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// filters are those of one watch, in the order in which they were added. Each
// wants the changes above a revision.
type filters struct {
	all    []added
	keys   map[string]int // key: place in all
	ranges []int          // places in all of those that are no keys
	calls  int            // of add
}

// added is a filter and since when it is there.
type added struct {
	filter
	above uint64 // revision after which changes are wanted
	call  int    // of add that brought it, from 1
}

// check is what can be wrong with more filters; it returns those that are not
// there yet, each once.
func (f *filters) check(more []filter) (fresh []filter, err error) {
	there := map[filterID]bool{}
	for _, a := range f.all {
		there[a.id()] = true
	}
	for _, one := range more {
		if err := one.check(); err != nil {
			return nil, err
		}
		if !there[one.id()] {
			there[one.id()], fresh = true, append(fresh, one)
		}
	}
	return fresh, checkFilters(len(f.all) + len(fresh))
}

func checkFilters(n int) error {
	if n > MaxFilters {
		return bus.NewError(bus.CodeTooLarge, "a watch with %d filters: at most %d are allowed", n, MaxFilters).
			WithHint("watch a prefix, or open several watches")
	}
	return nil
}

// add takes filters that check has returned; they want what is above a revision.
func (f *filters) add(fresh []filter, above uint64) {
	f.calls++
	for _, one := range fresh {
		f.all = append(f.all, added{one, above, f.calls})
	}
	f.index()
}

// remove drops filters; those that are not there do not matter.
func (f *filters) remove(given []filter) {
	gone := map[filterID]bool{}
	for _, one := range given {
		gone[one.id()] = true
	}
	f.all = slices.DeleteFunc(f.all, func(a added) bool { return gone[a.id()] })
	f.index()
}

func (f *filters) index() {
	f.keys, f.ranges = map[string]int{}, nil
	for i, a := range f.all {
		if a.kind == filterKey {
			f.keys[a.span.From] = i
		} else {
			f.ranges = append(f.ranges, i)
		}
	}
}

// match adds the names of the filters that want a change, in their order.
func (f *filters) match(names []string, key string, revision uint64) []string {
	literal, is := f.keys[key]
	for _, i := range f.ranges {
		if is && literal < i {
			names, is = f.name(names, literal, revision), false
		}
		if f.all[i].span.Contains(key) {
			names = f.name(names, i, revision)
		}
	}
	if is {
		names = f.name(names, literal, revision)
	}
	return names
}

func (f *filters) name(names []string, i int, revision uint64) []string {
	if revision <= f.all[i].above {
		return names
	}
	return append(names, f.all[i].name)
}

// wants tells whether any filter wants a change.
func (f *filters) wants(key string, revision uint64) bool {
	if i, ok := f.keys[key]; ok && revision > f.all[i].above {
		return true
	}
	return slices.ContainsFunc(f.ranges, func(i int) bool {
		return f.all[i].span.Contains(key) && revision > f.all[i].above
	})
}

// nothing is what a watch asks for whose filters want nothing yet: no key is
// empty.
const nothing = ""

// request fills in which keys the host is asked for: those of the filters that
// want the changes from r.From on. late tells whether one of them came by Add.
func (f *filters) request(r *replayRequest) (late bool) {
	r.Keys, r.Ranges = nil, nil
	for _, a := range f.all {
		switch {
		case a.above >= r.From:
			continue
		case a.everything():
			r.Keys, r.Ranges = nil, nil
			return f.late(r.From)
		case a.kind == filterKey:
			r.Keys = append(r.Keys, a.span.From)
		default:
			r.Ranges = append(r.Ranges, wireRange(a.span))
		}
	}
	if len(r.Keys)+len(r.Ranges) == 0 {
		r.Keys = []string{nothing}
	}
	return f.late(r.From)
}

// late tells whether a filter that came by Add wants the changes from a
// revision on.
func (f *filters) late(from uint64) bool {
	return slices.ContainsFunc(f.all, func(a added) bool { return a.call > 1 && a.above < from })
}

// limit is the last revision up to which a page is whole that was asked for
// from a revision on when there had been so many calls of add.
func (f *filters) limit(from uint64, calls int) uint64 {
	last := uint64(bus.FromNow)
	for _, a := range f.all {
		if a.above >= from || a.call > calls {
			last = min(last, a.above)
		}
	}
	return last
}
