package cli

import (
	"time"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// verbs are the operations of a transaction.
func verbs() []string {
	return []string{"get", "put", "swap", "pop", "delete", "count", "list", "exists", "create", "setdefault"}
}

func (k *kv) parseOps(n *jsonNode) (ops []kvbucket.Op, shown []shownAs, err error) {
	list, err := n.array()
	if err != nil {
		return nil, nil, err
	}
	for _, item := range list {
		op, as, err := k.parseOp(item)
		if err != nil {
			return nil, nil, err
		}
		ops, shown = append(ops, op), append(shown, as)
	}
	return ops, shown, nil
}

func (k *kv) parseOp(n *jsonNode) (op kvbucket.Op, as shownAs, err error) {
	o, err := n.object(append(verbs(), "bucket")...)
	if err != nil {
		return op, as, err
	}
	verb, err := n.one(o, "operation", verbs())
	if err != nil {
		return op, as, err
	}
	body := o.fields[verb]
	switch verb {
	case "put":
		op, as, err = k.parsePut(body)
	case "create", "setdefault", "swap":
		op, as, err = k.parseSet(verb, body)
	case "exists":
		op, as, err = parseExists(body)
	default:
		op, as, err = parseSelected(verb, body)
	}
	if err != nil {
		return op, as, err
	}
	op, err = inBucket(n, op, body.value.(*jsonObject))
	return op, as, err
}

// written is what put and its like write.
type written struct {
	key   string
	value []byte // nil: as it is
	owner []kvbucket.OwnerOption
}

func (k *kv) parseWritten(n *jsonNode) (w written, err error) {
	o, err := n.object("key", "value", "owner", "ttl", "bucket")
	if err != nil {
		return w, err
	}
	if w.key, err = n.key(o); err != nil {
		return w, err
	}
	if v := o.fields["value"]; v != nil {
		if w.value, err = v.bytes(); err != nil {
			return w, err
		}
	}
	w.owner, err = k.parseOwner(n, o)
	return w, err
}

// parseOwner reads owner and ttl: none, or one option.
func (k *kv) parseOwner(n *jsonNode, o *jsonObject) ([]kvbucket.OwnerOption, error) {
	owner, ttl := o.fields["owner"], o.fields["ttl"]
	switch {
	case owner != nil && ttl != nil:
		return nil, n.wrong("owner and ttl exclude each other: a ttl is an owner of its own")
	case ttl != nil:
		d, err := ttl.duration()
		return []kvbucket.OwnerOption{kvbucket.TTL(d)}, err
	case owner == nil:
		return nil, nil
	case owner.value == nil:
		return []kvbucket.OwnerOption{kvbucket.NoOwner()}, nil
	}
	id, err := owner.text()
	if err == nil && id == "" {
		err = owner.wrong("it is empty: null takes the owner away")
	}
	if err != nil {
		return nil, err
	}
	as, err := k.owner(id)
	return []kvbucket.OwnerOption{kvbucket.OwnedBy(as)}, err
}

// duration is a time longer than 0, such as "5s".
func (n *jsonNode) duration() (time.Duration, error) {
	text, err := n.text()
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, n.wrong("%v", err)
	case d <= 0:
		return 0, n.wrong("%v: it is longer than 0", d)
	}
	return d, nil
}

func (k *kv) parsePut(n *jsonNode) (op kvbucket.Op, as shownAs, err error) {
	w, err := k.parseWritten(n)
	switch {
	case err != nil:
		return op, as, err
	case w.value != nil:
		return kvbucket.OpPut(w.key, w.value, putOwner(w.owner)...), showNothing, nil
	case len(w.owner) == 0:
		return op, as, n.wrong("it has neither a value nor an owner: nothing would change")
	}
	return kvbucket.OpSetOwner(w.key, w.owner[0]), showNothing, nil
}

func (k *kv) parseSet(verb string, n *jsonNode) (op kvbucket.Op, as shownAs, err error) {
	w, err := k.parseWritten(n)
	switch {
	case err != nil:
		return op, as, err
	case w.value == nil:
		return op, as, n.wrong("it has no value")
	case verb == "create":
		return kvbucket.OpCreate(w.key, w.value, w.owner...), showNothing, nil
	case verb == "setdefault":
		return kvbucket.OpSetDefault(w.key, w.value, w.owner...), showEntry, nil
	}
	return kvbucket.OpSwap(w.key, w.value, w.owner...), showEntry, nil
}

func parseExists(n *jsonNode) (op kvbucket.Op, as shownAs, err error) {
	o, err := n.object("key", "bucket")
	if err != nil {
		return op, as, err
	}
	key, err := n.key(o)
	return kvbucket.OpExists(key), showExists, err
}

// parseSelected reads an operation on a key, a prefix or a range.
func parseSelected(verb string, n *jsonNode) (op kvbucket.Op, as shownAs, err error) {
	o, err := n.object("key", "prefix", "from", "to", "bucket")
	if err != nil {
		return op, as, err
	}
	if o.fields["key"] == nil {
		span, err := n.span(o)
		op, as = rangeOp(verb, span)
		return op, as, err
	}
	if len(o.names) > 2 || len(o.names) == 2 && o.fields["bucket"] == nil {
		return op, as, n.wrong("a key excludes prefix, from and to")
	}
	key, err := n.key(o)
	op, as = keyOp(verb, key)
	return op, as, err
}

func (n *jsonNode) span(o *jsonObject) (r kvbucket.Range, err error) {
	prefix, from, to := o.fields["prefix"], o.fields["from"], o.fields["to"]
	if prefix != nil {
		if from != nil || to != nil {
			return r, n.wrong("a prefix excludes from and to")
		}
		text, err := prefix.text()
		return kvbucket.Prefix(text), err
	}
	if from != nil {
		if r.From, err = from.text(); err != nil {
			return r, err
		}
	}
	if to != nil {
		text, err := to.text()
		r.To = &text
		return r, err
	}
	return r, nil
}

func keyOp(verb, key string) (kvbucket.Op, shownAs) {
	switch verb {
	case "get":
		return kvbucket.OpGet(key), showEntry
	case "pop":
		return kvbucket.OpPop(key), showEntry
	case "delete":
		return kvbucket.OpDelete(key), showCount
	}
	return rangeOp(verb, kvbucket.Between(key, key+"\x00"))
}

func rangeOp(verb string, r kvbucket.Range) (kvbucket.Op, shownAs) {
	switch verb {
	case "get":
		return kvbucket.OpGetRange(r), showEntries
	case "pop":
		return kvbucket.OpPopRange(r), showEntries
	case "delete":
		return kvbucket.OpDeleteRange(r), showCount
	case "count":
		return kvbucket.OpCount(r), showCount
	}
	return kvbucket.OpKeys(r), showKeys
}
