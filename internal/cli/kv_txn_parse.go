package cli

import (
	"slices"
	"strings"

	"github.com/lwjbus/lwjbus/kvbucket"
)

// txn is a transaction and how each result of its branches is shown.
type txn struct {
	kvbucket.Txn
	then, otherwise []shownAs
}

// parseTxn reads a transaction; what it does not understand it refuses.
func (k *kv) parseTxn(text []byte) (*txn, error) {
	root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	o, err := root.object("if", "then", "else")
	if err != nil {
		return nil, err
	}
	t := &txn{}
	if t.If, err = parseConds(o.fields["if"]); err != nil {
		return nil, err
	}
	if t.Then, t.then, err = k.parseOps(o.fields["then"]); err != nil {
		return nil, err
	}
	t.Else, t.otherwise, err = k.parseOps(o.fields["else"])
	return t, err
}

func parseConds(n *jsonNode) ([]kvbucket.Cond, error) {
	list, err := n.array()
	if err != nil {
		return nil, err
	}
	var conds []kvbucket.Cond
	for _, item := range list {
		c, err := parseCond(item)
		if err != nil {
			return nil, err
		}
		conds = append(conds, c)
	}
	return conds, nil
}

// subjects are what a condition can be about.
func subjects() []string { return []string{"exists", "value", "owner", "revision", "version"} }

func parseCond(n *jsonNode) (c kvbucket.Cond, err error) {
	o, err := n.object(append(subjects(), "key", "op", "bucket")...)
	if err != nil {
		return c, err
	}
	key, err := n.key(o)
	if err != nil {
		return c, err
	}
	about, err := n.one(o, "condition", subjects())
	if err != nil {
		return c, err
	}
	op, err := o.operator()
	if err != nil {
		return c, err
	}
	field := o.fields[about]
	switch about {
	case "exists":
		c, err = existsCond(o, key)
	case "value":
		var value []byte
		value, err = field.bytes()
		c = kvbucket.ValueIs(key, op, value)
	case "owner":
		c, err = ownerCond(o, key, op)
	case "revision", "version":
		c, err = countCond(field, about, key, op)
	}
	if err != nil {
		return c, err
	}
	return inBucket(n, c, nil)
}

// one is the name of the one field of names that an object has.
func (n *jsonNode) one(o *jsonObject, what string, names []string) (string, error) {
	var found []string
	for _, name := range o.names {
		if slices.Contains(names, name) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", n.wrong("it has no %s: one of %s", what, strings.Join(names, ", "))
	}
	return "", n.wrong("%s stand in one %s: make two of it", strings.Join(found, " and "), what)
}

func (n *jsonNode) key(o *jsonObject) (string, error) {
	key := o.fields["key"]
	if key == nil {
		return "", n.wrong("it has no key")
	}
	text, err := key.text()
	if err == nil && text == "" {
		err = key.wrong("the key is empty")
	}
	return text, err
}

// operator is the "op" of a condition; == where there is none.
func (o *jsonObject) operator() (kvbucket.Operator, error) {
	n := o.fields["op"]
	if n == nil {
		return kvbucket.Equal, nil
	}
	text, err := n.text()
	if err != nil {
		return "", err
	}
	switch op := kvbucket.Operator(text); op {
	case kvbucket.Equal, kvbucket.NotEqual, kvbucket.Less, kvbucket.LessOrEqual, kvbucket.Greater, kvbucket.GreaterOrEqual:
		return op, nil
	}
	return "", n.wrong("%q is no comparison: there are == != < <= > >=", text)
}

func existsCond(o *jsonObject, key string) (c kvbucket.Cond, err error) {
	if n := o.fields["op"]; n != nil {
		return c, n.wrong("a condition on existence compares nothing: leave it out")
	}
	exists, err := o.fields["exists"].truth()
	if exists {
		return kvbucket.KeyExists(key), err
	}
	return kvbucket.KeyMissing(key), err
}

func ownerCond(o *jsonObject, key string, op kvbucket.Operator) (kvbucket.Cond, error) {
	n := o.fields["owner"]
	if n.value == nil {
		return kvbucket.OwnerIs(key, op, ""), nil
	}
	id, err := n.text()
	if err == nil && id == "" {
		err = n.wrong("it is empty: null is no owner")
	}
	return kvbucket.OwnerIs(key, op, id), err
}

func countCond(n *jsonNode, about, key string, op kvbucket.Operator) (kvbucket.Cond, error) {
	v, err := n.count()
	if about == "revision" {
		return kvbucket.RevisionIs(key, op, v), err
	}
	return kvbucket.VersionIs(key, op, v), err
}

// inBucket makes a condition or an operation be about the bucket that it, or
// what it selects, names.
func inBucket[T interface{ In(bucket string) T }](n *jsonNode, what T, inner *jsonObject) (T, error) {
	name := n.value.(*jsonObject).fields["bucket"]
	if inner != nil && inner.fields["bucket"] != nil {
		if name != nil {
			return what, n.wrong("it names a bucket twice")
		}
		name = inner.fields["bucket"]
	}
	if name == nil {
		return what, nil
	}
	bucket, err := name.text()
	if err == nil && bucket == "" {
		err = name.wrong("it is empty")
	}
	return what.In(bucket), err
}
