package kvbucket

// Range is the keys from From to To, From included and To not. Keys compare
// bytewise. A nil To is unbounded; an empty one is not: nothing lies below it.
// The zero Range is every key.
type Range struct {
	From string
	To   *string
}

// Between is the range [from, to); it is empty when from >= to.
func Between(from, to string) Range { return Range{From: from, To: &to} }

// Prefix is the range of the keys that begin with p; that of "" is every key.
func Prefix(p string) Range {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] < 0xff {
			to := p[:i] + string([]byte{p[i] + 1})
			return Range{From: p, To: &to}
		}
	}
	return Range{From: p}
}

// Contains tells whether key is in the range.
func (r Range) Contains(key string) bool {
	return key >= r.From && (r.To == nil || key < *r.To)
}

// just is the range of one key.
func just(key string) Range { return Between(key, after(key)) }

// after is the first key behind key.
func after(key string) string { return key + "\x00" }
