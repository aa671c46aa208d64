package kvbucket

// Operator compares what is there, on its left, with what a condition gives.
type Operator string

// The operators.
const (
	Equal          Operator = "=="
	NotEqual       Operator = "!="
	Less           Operator = "<"
	LessOrEqual    Operator = "<="
	Greater        Operator = ">"
	GreaterOrEqual Operator = ">="
)

// Cond is one condition of a transaction. It is about the bucket whose Commit
// it is given to, unless In names another.
type Cond struct{ w wireCond }

// In is the condition about another bucket of the namespace.
func (c Cond) In(bucket string) Cond {
	c.w.Bucket = bucket
	return c
}

// KeyExists holds if the key exists.
func KeyExists(key string) Cond { return Cond{wireCond{Kind: condExists, Key: key, Operator: Equal}} }

// KeyMissing holds if the key does not exist.
func KeyMissing(key string) Cond {
	return Cond{wireCond{Kind: condExists, Key: key, Operator: NotEqual}}
}

// ValueIs compares the key's value bytewise. Of a missing key only NotEqual
// holds.
func ValueIs(key string, op Operator, value []byte) Cond {
	return Cond{wireCond{Kind: condValue, Key: key, Operator: op, Value: value}}
}

// OwnerIs compares the id of the key's owner. Ids of the form name_N order by
// name, then by N as a number, other ids bytewise. Of a key that is missing or
// has no owner only NotEqual holds. The id "" is none: a key without an owner equals it, and of
// every other only NotEqual holds.
func OwnerIs(key string, op Operator, id string) Cond {
	return Cond{wireCond{Kind: condOwner, Key: key, Operator: op, Value: []byte(id)}}
}

// Unowned holds if the key exists and has no owner.
func Unowned(key string) Cond { return OwnerIs(key, Equal, "") }

// RevisionIs compares the key's revision, which is 0 for a missing key.
func RevisionIs(key string, op Operator, revision uint64) Cond {
	return Cond{wireCond{Kind: condRevision, Key: key, Operator: op, Number: revision}}
}

// VersionIs compares the key's version, which is 0 for a missing key.
func VersionIs(key string, op Operator, version uint64) Cond {
	return Cond{wireCond{Kind: condVersion, Key: key, Operator: op, Number: version}}
}

// Registered holds if the owner is registered, under its token if that is not
// 0. It is how a holder fences a write that its owner does not show in.
func Registered(o Owner) Cond {
	return Cond{wireCond{Kind: condRegistered, Key: o.ID, Operator: Equal, Number: o.Token}}
}
