package kvbucket

import (
	"slices"
	"sort"
	"strings"
)

// spans are ranges in order, none of which touches another.
type spans []wireRange

// merge makes spans of ranges.
func merge(ranges []wireRange) spans {
	rs := slices.Clone(ranges)
	rs = slices.DeleteFunc(rs, func(r wireRange) bool { return r.To != nil && *r.To <= r.From })
	slices.SortFunc(rs, func(a, b wireRange) int { return strings.Compare(a.From, b.From) })
	out := rs[:0]
	for _, r := range rs {
		n := len(out) - 1
		switch {
		case n < 0 || out[n].To != nil && *out[n].To < r.From:
			out = append(out, r)
		case out[n].To != nil && (r.To == nil || *r.To > *out[n].To):
			out[n].To = r.To
		}
	}
	return out
}

// contain tells whether a key is in one of the spans.
func (s spans) contain(key string) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i].From > key })
	return i > 0 && Range(s[i-1]).Contains(key)
}
