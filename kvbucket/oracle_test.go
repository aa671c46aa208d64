package kvbucket_test

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// oracle is what a namespace should be: buckets that are plain maps.
type oracle struct {
	revision uint64
	rows     map[place]row
	owners   map[string]bool // registered
}

type place struct{ bucket, key string }

// row is one key. Its owner is ownerOfTTL where it has a TTL.
type row struct {
	value, owner      string
	revision, version uint64
}

const ownerOfTTL = "_ttl"

// call is one operation, as data.
type call struct {
	name   string
	at     place // the key is the From of a range
	value  string
	owner  *string // nil: keep; "": none; ownerOfTTL
	is     *uint64 // IfRevision
	span   kvbucket.Range
	others []string // keys of a putall
}

// attempt is a transaction of the oracle while it runs.
type attempt struct {
	*oracle
	now     map[place]row
	written map[place]bool
}

func (o *oracle) begin() *attempt {
	return &attempt{oracle: o, now: maps.Clone(o.rows), written: map[place]bool{}}
}

// changes are the keys that the attempt changes, as lines.
func (a *attempt) changes(bucket string) (out []string) {
	for p := range a.written {
		r, is := a.now[p]
		_, was := a.rows[p]
		switch {
		case p.bucket != bucket || !is && !was:
		case is:
			out = append(out, p.key+"="+r.value)
		default:
			out = append(out, "-"+p.key)
		}
	}
	slices.Sort(out)
	return out
}

// commit makes the attempt the truth.
func (a *attempt) commit() {
	changed := false
	for p := range a.written {
		_, is := a.now[p]
		_, was := a.rows[p]
		changed = changed || is || was
	}
	if changed {
		a.revision++
	}
	a.oracle.rows = a.now
}

func (a *attempt) put(p place, value string, owner *string) bus.Code {
	was, existed := a.now[p]
	r := row{value: value, revision: a.revision + 1, version: 1} // also after a delete in the same transaction
	switch {
	case existed && a.written[p]:
		r.version = was.version
	case existed:
		r.version = was.version + 1
	}
	switch {
	case owner == nil && existed:
		r.owner = was.owner
	case owner != nil && *owner != "" && *owner != ownerOfTTL && !a.owners[*owner]:
		return bus.CodeNoOwner
	case owner != nil:
		r.owner = *owner
	}
	a.now[p], a.written[p] = r, true
	return ""
}

func (a *attempt) remove(p place) {
	if _, ok := a.now[p]; ok {
		delete(a.now, p)
		a.written[p] = true
	}
}

// entry is what a result shows of a key.
func (a *attempt) entry(p place) *kvbucket.Entry {
	r, ok := a.now[p]
	if !ok {
		return nil
	}
	return &kvbucket.Entry{Key: p.key, Value: []byte(r.value), Owner: r.owner, Revision: r.revision, Version: r.version}
}

func (a *attempt) list(bucket string, r kvbucket.Range) (out []*kvbucket.Entry) {
	for p := range a.now {
		if p.bucket == bucket && r.Contains(p.key) {
			out = append(out, a.entry(p))
		}
	}
	slices.SortFunc(out, func(x, y *kvbucket.Entry) int { return cmp.Compare(x.Key, y.Key) })
	return out
}

// do is one operation. code is why it fails, with the revision it speaks of.
func (a *attempt) do(c call) (r kvbucket.Result, code bus.Code, revision uint64) {
	was, existed := a.now[c.at]
	if c.is != nil && *c.is != was.revision && (existed || c.name != "setowner") {
		return r, bus.CodeRevision, was.revision
	}
	list := a.list(c.at.bucket, c.span)
	switch c.name {
	case "get":
		r.Entry = a.entry(c.at)
	case "exists":
		r.Exists = existed
	case "getrange":
		r.Entries = list
	case "count":
		r.Count = len(list)
	case "keys":
		r.Keys = keysOf(list)
	case "put":
		code = a.put(c.at, c.value, c.owner)
	case "setowner":
		if !existed {
			return r, bus.CodeNotFound, a.revision
		}
		code = a.put(c.at, was.value, c.owner)
	case "create":
		if existed {
			return r, bus.CodeExists, was.revision
		}
		code = a.put(c.at, c.value, c.owner)
	case "setdefault":
		if !existed {
			code = a.put(c.at, c.value, c.owner)
		}
		r.Entry = a.entry(c.at)
	case "swap":
		r.Entry = a.entry(c.at)
		code = a.put(c.at, c.value, c.owner)
	case "putall":
		for _, key := range c.others {
			code = cmp.Or(code, a.put(place{c.at.bucket, key}, c.value, c.owner))
		}
	case "pop", "delete":
		if c.name == "pop" {
			r.Entry = a.entry(c.at)
		} else if existed {
			r.Count = 1
		}
		a.remove(c.at)
	case "poprange", "deleterange", "deletekeys":
		a.removeAll(c, list, &r)
	}
	return r, code, 0
}

func (a *attempt) removeAll(c call, list []*kvbucket.Entry, r *kvbucket.Result) {
	switch c.name {
	case "poprange":
		r.Entries = list
	case "deletekeys":
		r.Keys = keysOf(list)
		r.Count = len(list)
	default:
		r.Count = len(list)
	}
	for _, e := range list {
		a.remove(place{c.at.bucket, e.Key})
	}
}

func keysOf(list []*kvbucket.Entry) (out []string) {
	for _, e := range list {
		out = append(out, e.Key)
	}
	return out
}

// question is one condition, as data.
type question struct {
	name   string
	at     place
	op     kvbucket.Operator
	text   string
	number uint64
}

func (a *attempt) holds(q question) bool {
	r, existed := a.now[q.at]
	outcome := 0
	switch q.name {
	case "exists":
		return existed
	case "missing":
		return !existed
	case "registered":
		return a.owners[q.text]
	case "owner":
		if !existed || (q.text == "") != (r.owner == "") {
			return q.op == kvbucket.NotEqual
		}
		outcome = strings.Compare(r.owner, q.text)
	case "value":
		if !existed {
			return q.op == kvbucket.NotEqual
		}
		outcome = strings.Compare(r.value, q.text)
	case "revision":
		outcome = cmp.Compare(r.revision, q.number)
	case "version":
		outcome = cmp.Compare(r.version, q.number)
	}
	signs := map[kvbucket.Operator]string{
		kvbucket.Equal: "0", kvbucket.NotEqual: "-+", kvbucket.Less: "-", kvbucket.LessOrEqual: "-0", kvbucket.Greater: "+", kvbucket.GreaterOrEqual: "0+",
	}
	return strings.Contains(signs[q.op], string("-0+"[outcome+1]))
}

// end is the end of an owner.
func (o *oracle) end(id string) *attempt {
	a := o.begin()
	delete(o.owners, id)
	for p, r := range a.now {
		if r.owner == id {
			a.remove(p)
		}
	}
	return a
}
