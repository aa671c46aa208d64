package kvbucket

// Op is one operation of a transaction. Each is also a method of Bucket, which
// says what it does. It is in the bucket whose Commit it is given to, unless In
// names another.
type Op struct{ w wireOp }

// In is the operation in another bucket of the namespace.
func (o Op) In(bucket string) Op {
	o.w.Bucket = bucket
	return o
}

// WithKeys has OpDeleteRange return the keys it deleted, in order.
func (o Op) WithKeys() Op {
	o.w.WithKeys = true
	return o
}

// MetaOnly has an operation that returns entries return them without values.
func (o Op) MetaOnly() Op {
	o.w.Bare = true
	return o
}

func keyOp(kind opKind, key string) Op { return Op{wireOp{Kind: kind, Key: key}} }

func rangeOp(kind opKind, r Range) Op { return Op{wireOp{Kind: kind, Key: r.From, To: r.To}} }

func writeOp(kind opKind, key string, value []byte, owner []OwnerOption) Op {
	w := wireOp{Kind: kind, Key: key, Value: value}
	for _, o := range owner {
		o.change(&w)
	}
	return Op{w}
}

// OpGet reads a key: Result.Entry, nil where it is missing.
func OpGet(key string) Op { return keyOp(opGet, key) }

// OpGetRange reads a range: Result.Entries.
func OpGetRange(r Range) Op { return rangeOp(opGetRange, r) }

// OpExists tells whether a key exists: Result.Exists.
func OpExists(key string) Op { return keyOp(opExists, key) }

// OpCount counts the keys of a range: Result.Count.
func OpCount(r Range) Op { return rangeOp(opCount, r) }

// OpKeys lists the keys of a range: Result.Keys.
func OpKeys(r Range) Op { return rangeOp(opKeys, r) }

// OpPut is Bucket.Put. Its Result is empty.
func OpPut(key string, value []byte, opts ...PutOption) Op {
	w := wireOp{Kind: opPut, Key: key, Value: value}
	for _, o := range opts {
		o.changePut(&w)
	}
	return Op{w}
}

// OpSetOwner is Bucket.SetOwner. Its Result is empty.
func OpSetOwner(key string, owner OwnerOption, opts ...PutOption) Op {
	w := wireOp{Kind: opSetOwner, Key: key}
	owner.change(&w)
	for _, o := range opts {
		o.changePut(&w)
	}
	return Op{w}
}

// OpCreate is Bucket.Create. Its Result is empty.
func OpCreate(key string, value []byte, owner ...OwnerOption) Op {
	return writeOp(opCreate, key, value, owner)
}

// OpSetDefault is Bucket.SetDefault: Result.Entry.
func OpSetDefault(key string, value []byte, owner ...OwnerOption) Op {
	return writeOp(opSetDefault, key, value, owner)
}

// OpSwap is Bucket.Swap: Result.Entry is what was there, nil for nothing.
func OpSwap(key string, value []byte, owner ...OwnerOption) Op {
	return writeOp(opSwap, key, value, owner)
}

// OpPutAll is Bucket.PutAll; it counts as many operations as it has keys. Its
// Result is empty.
func OpPutAll(kvs []KV, owner ...OwnerOption) Op {
	o := writeOp(opPutAll, "", nil, owner)
	for _, kv := range kvs {
		o.w.Keys, o.w.Values = append(o.w.Keys, kv.Key), append(o.w.Values, kv.Value)
	}
	return o
}

// OpPop deletes a key and returns what was there: Result.Entry, nil for nothing.
func OpPop(key string) Op { return keyOp(opPop, key) }

// OpPopRange deletes a range and returns what was there: Result.Entries.
func OpPopRange(r Range) Op { return rangeOp(opPopRange, r) }

// OpDelete deletes a key: Result.Count is 1 if it was there.
func OpDelete(key string, opts ...DeleteOption) Op {
	w := wireOp{Kind: opDelete, Key: key}
	for _, o := range opts {
		o.changeDelete(&w)
	}
	return Op{w}
}

// OpDeleteRange deletes a range: Result.Count, and with WithKeys Result.Keys.
func OpDeleteRange(r Range) Op { return rangeOp(opDeleteRange, r) }
