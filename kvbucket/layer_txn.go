package kvbucket

import "github.com/lwjbus/lwjbus/internal/engine"

func (g guard) checkTxn(in *txnRequest) error { return in.check(g.check) }

// transact evaluates a transaction: an error undoes all of it.
func transact(tx *engine.Tx, in *txnRequest) (any, error) {
	ev := evaluation{tx: tx}
	a := &txnAnswer{Succeeded: ev.all(in.If)}
	ops := in.branch(a.Succeeded)
	a.Results = make([]wireResult, len(ops))
	for i := range ops {
		var err error
		if a.Results[i], err = ev.do(&ops[i]); err != nil {
			return nil, in.locate("operation", i, err)
		}
	}
	return a, nil
}
