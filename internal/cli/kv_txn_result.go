package cli

import (
	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/kvbucket"
)

// txnJSON is schema kv.txn.v1.
type txnJSON struct {
	Schema    string `json:"schema"`
	Succeeded bool   `json:"succeeded"`
	Revision  uint64 `json:"revision"`
	Results   []any  `json:"results"` // one for each operation of the branch taken
}

// shownAs is what JSON shows of an operation's result.
type shownAs func(*kvbucket.Result) any

func showNothing(*kvbucket.Result) any { return nil }

func showCount(r *kvbucket.Result) any { return r.Count }

func showExists(r *kvbucket.Result) any { return r.Exists }

func showKeys(r *kvbucket.Result) any { return append([]string{}, r.Keys...) }

func showEntry(r *kvbucket.Result) any {
	if r.Entry == nil {
		return nil
	}
	return newEntryJSON(r.Entry, true)
}

func showEntries(r *kvbucket.Result) any {
	entries := make([]*entryJSON, len(r.Entries))
	for i, e := range r.Entries {
		entries[i] = newEntryJSON(e, true)
	}
	return entries
}

func (t *txn) result(r *kvbucket.TxnResult) (*txnJSON, error) {
	branch := t.then
	if !r.Succeeded {
		branch = t.otherwise
	}
	if len(r.Results) != len(branch) {
		return nil, bus.NewError(bus.CodeMalformed, "the host answered %d results of %d operations", len(r.Results), len(branch))
	}
	j := &txnJSON{Schema: "kv.txn.v1", Succeeded: r.Succeeded, Revision: r.Revision, Results: make([]any, len(branch))}
	for i, as := range branch {
		j.Results[i] = as(&r.Results[i])
	}
	return j, nil
}
