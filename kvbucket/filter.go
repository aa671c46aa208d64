package kvbucket

// Names of filters, as an Event carries them.
const (
	filterKey    = "key:"    // the key follows
	filterPrefix = "prefix:" // the prefix follows
	filterRange  = "range:"  // from, a comma, to follow; to is absent when unbounded
)

// FilterOption says which keys a watch follows. It is an option of
// Bucket.Watch, and what Watch.Add and Watch.Remove take.
type FilterOption interface {
	WatchOption
	given() []filter
}

// filterOption is the filters of one option.
type filterOption []filter

func (f filterOption) given() []filter             { return f }
func (f filterOption) changeWatch(o *watchOptions) { o.filters = append(o.filters, f...) }

// Keys is a filter for each of the keys. Its name is "key:" and the key.
func Keys(keys ...string) FilterOption { return filtersOf(keys, keyFilter) }

// Prefixes is a filter for each of the prefixes. Its name is "prefix:" and
// the prefix.
func Prefixes(prefixes ...string) FilterOption { return filtersOf(prefixes, prefixFilter) }

// Ranges is a filter for each of the ranges. Its name is "range:", From, a
// comma and To.
func Ranges(ranges ...Range) FilterOption { return filtersOf(ranges, rangeFilter) }

func filtersOf[T any](of []T, make func(T) filter) (out filterOption) {
	for _, one := range of {
		out = append(out, make(one))
	}
	return out
}

// filter is one key, prefix or range that a watch is told.
type filter struct {
	name string
	span Range
	kind string // filterKey, …; "": everything, of a watch without filters
}

// filterID tells filters apart: names do not, if keys have commas.
type filterID struct {
	kind, from, to string
	bounded        bool
}

func keyFilter(key string) filter { return filter{filterKey + key, just(key), filterKey} }

func prefixFilter(p string) filter { return filter{filterPrefix + p, Prefix(p), filterPrefix} }

func rangeFilter(r Range) filter {
	name := filterRange + r.From + ","
	if r.To != nil {
		name += *r.To
	}
	return filter{name, r, filterRange}
}

func (f filter) id() filterID {
	id := filterID{kind: f.kind, from: f.span.From, bounded: f.span.To != nil}
	if id.bounded {
		id.to = *f.span.To
	}
	return id
}

// check is what can be wrong with a filter.
func (f filter) check() error {
	if f.kind != filterKey {
		return nil
	}
	return checkKey(f.span.From)
}

// everything tells whether no key is outside.
func (f filter) everything() bool { return f.span.From == "" && f.span.To == nil }
