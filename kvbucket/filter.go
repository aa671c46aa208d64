package kvbucket

import (
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// kinds is a set of operations; the empty one is all of them.
type kinds uint8

func kindsOf(ops []bus.Op) (k kinds) {
	for _, op := range ops {
		k |= 1 << op
	}
	return k
}

func (k kinds) has(op bus.Op) bool { return k == 0 || k&(1<<op) != 0 }

// Names of filters, as an Event carries them.
const (
	filterKey    = "key:"    // the key follows
	filterPrefix = "prefix:" // the prefix follows
	filterRange  = "range:"  // from, a comma, to follow; to is absent when unbounded
)

// filter is one key, prefix or range that a watch is told.
type filter struct {
	name string
	span Range
	key  bool // span is that of one key
}

func keyFilter(key string) filter { return filter{filterKey + key, just(key), true} }

func prefixFilter(p string) filter { return filter{filterPrefix + p, Prefix(p), false} }

func rangeFilter(r Range) filter {
	name := filterRange + r.From + ","
	if r.To != nil {
		name += *r.To
	}
	return filter{name, r, false}
}

// filters are those of one watch, in the order given; none is everything.
type filters struct {
	all    []filter
	keys   map[string]int // key: place in all
	ranges []int          // places in all
}

func newFilters(given []filter) (*filters, error) {
	f := &filters{keys: map[string]int{}}
	for _, one := range given {
		if err := f.add(one); err != nil {
			return nil, err
		}
	}
	if n := len(f.all); n > MaxFilters {
		return nil, bus.NewError(bus.CodeTooLarge, "a watch with %d filters: at most %d are allowed", n, MaxFilters).
			WithHint("watch a prefix, or open several watches")
	}
	return f, nil
}

func (f *filters) add(one filter) error {
	if !one.key {
		f.ranges, f.all = append(f.ranges, len(f.all)), append(f.all, one)
		return nil
	}
	key := one.span.From
	if err := checkKey(key); err != nil {
		return err
	}
	if _, ok := f.keys[key]; !ok {
		f.keys[key], f.all = len(f.all), append(f.all, one)
	}
	return nil
}

// single returns the key if the filters are just one literal key.
func (f *filters) single() (string, bool) {
	if len(f.all) == 1 && f.all[0].key {
		return f.all[0].span.From, true
	}
	return "", false
}

// match returns the names of the filters that want a key, in the order given.
func (f *filters) match(key string) []string {
	if len(f.all) == 0 {
		return []string{""}
	}
	var at []int
	if i, ok := f.keys[key]; ok {
		at = append(at, i)
	}
	for _, i := range f.ranges {
		if f.all[i].span.Contains(key) {
			at = append(at, i)
		}
	}
	slices.Sort(at)
	names := make([]string, len(at))
	for i, n := range at {
		names[i] = f.all[n].name
	}
	return names
}

// wants tells whether any filter wants a key.
func (f *filters) wants(key string) bool {
	if _, ok := f.keys[key]; ok || len(f.all) == 0 {
		return true
	}
	return slices.ContainsFunc(f.ranges, func(i int) bool { return f.all[i].span.Contains(key) })
}

// request fills in which keys the host is asked for.
func (f *filters) request(r *replayRequest) {
	for _, one := range f.all {
		if one.key {
			r.Keys = append(r.Keys, one.span.From)
		} else {
			r.Ranges = append(r.Ranges, wireRange(one.span))
		}
	}
}
