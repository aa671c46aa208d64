package kvbucket

import (
	"context"

	"github.com/lwjbus/lwjbus/bus"
)

// Txn is a transaction over any buckets of the namespace: if all conditions of
// If hold, the operations of Then are done, else those of Else, each seeing the
// ones before it. All of it happens at one revision, or none of it does.
type Txn struct {
	If   []Cond // at most MaxOperations; none: they hold
	Then []Op   // at most MaxOperations
	Else []Op   // at most MaxOperations
}

// TxnResult is how a transaction went.
type TxnResult struct {
	Succeeded bool     // the conditions held
	Revision  uint64   // of its changes; of the namespace if it changed nothing
	Results   []Result // one for each operation of the branch that was taken
}

// Result is the result of one operation. Which fields are set follows from the
// operation.
type Result struct {
	Entry   *Entry   // OpGet, OpSetDefault, OpSwap, OpPop; nil: no key
	Entries []*Entry // OpGetRange, OpPopRange; in key order
	Keys    []string // OpKeys, OpDeleteRange with WithKeys; in order
	Count   int      // OpCount, OpDelete, OpDeleteRange
	Exists  bool     // OpExists
}

// Commit evaluates a transaction. A key that it writes several times is changed
// once, to what was written last; the results show each write.
//
// Conditions that do not hold are no error but Succeeded being false. A failed
// operation, say OpCreate of a key that exists, fails the transaction: nothing
// is changed, and the error is that of the operation's method.
//
// Errors: those of the operations; ErrTooLarge for more than MaxOperations in a
// branch or what does not fit a record; CodeUsage for a condition that cannot be;
// ErrDenied for a write, in either branch, to a bucket of another layer; those
// of bus.Conn.Call.
func (b *Bucket) Commit(ctx context.Context, t Txn) (*TxnResult, error) {
	in := t.request(b.name)
	if err := in.check(checkBucket); err != nil {
		return nil, err
	}
	var a txnAnswer
	out := &TxnResult{}
	if err := b.conn.Call(ctx, verbTxn, in, &a, bus.Revised(&out.Revision)); err != nil {
		return nil, err
	}
	out.Succeeded = a.Succeeded
	var err error
	out.Results, err = a.results(in)
	return out, err
}

// request is the transaction as it travels from a bucket.
func (t *Txn) request(bucket string) *txnRequest {
	in := &txnRequest{If: make([]wireCond, len(t.If)), Then: wireOps(t.Then, bucket), Else: wireOps(t.Else, bucket)}
	for i, c := range t.If {
		in.If[i] = c.w
		if in.If[i].Bucket == "" && c.w.Kind != condRegistered {
			in.If[i].Bucket = bucket
		}
	}
	return in
}

func wireOps(ops []Op, bucket string) []wireOp {
	out := make([]wireOp, len(ops))
	for i, o := range ops {
		out[i] = o.w
		if o.w.Bucket == "" {
			out[i].Bucket = bucket
		}
	}
	return out
}

// one commits a single operation.
func (b *Bucket) one(ctx context.Context, o Op) (Result, uint64, error) {
	res, err := b.Commit(ctx, Txn{Then: []Op{o}})
	if err != nil {
		return Result{}, 0, err
	}
	return res.Results[0], res.Revision, nil
}

// results are those of the operations of the branch that was taken.
func (a *txnAnswer) results(in *txnRequest) ([]Result, error) {
	ops := in.branch(a.Succeeded)
	if len(a.Results) != len(ops) {
		return nil, bus.NewError(bus.CodeMalformed, "the host answered %d results for %d operations", len(a.Results), len(ops))
	}
	out := make([]Result, len(ops))
	for i := range ops {
		out[i] = a.Results[i].result(&ops[i])
	}
	return out, nil
}

// result is what the caller of an operation sees.
func (r *wireResult) result(o *wireOp) (out Result) {
	switch o.Kind {
	case opGetRange, opPopRange:
		out.Entries = appendEntries(make([]*Entry, 0, len(r.Changes)), r.Changes)
	case opKeys:
		out.Keys = append([]string{}, r.Keys...)
	case opDeleteRange:
		if out.Count = int(r.Count); o.WithKeys {
			out.Keys = append([]string{}, r.Keys...)
		}
	case opCount, opDelete:
		out.Count = int(r.Count)
	case opExists:
		out.Exists = r.Count > 0
	default:
		if len(r.Changes) > 0 {
			out.Entry = newEntry(r.Changes[0])
		}
	}
	return out
}
