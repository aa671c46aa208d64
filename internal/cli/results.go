package cli

import (
	"slices"

	"github.com/lwjbus/lwjbus/lwj"
)

// resultJSON is schema job.result.v1: what became of a request about one job.
type resultJSON struct {
	Schema string     `json:"schema"`
	Job    uint64     `json:"job"`
	State  lwj.State  `json:"state"` // now; empty for a job that is not known, or no longer
	Error  *errorJSON `json:"error"` // null: done
}

// eachJob asks for something about many jobs, reports each, and ends with the
// highest exit code of those that were refused.
func (a *app) eachJob(ids []uint64, do func(ids []uint64) ([]lwj.ItemResult, error)) error {
	rows := a.stream()
	worst := exitOK
	for part := range slices.Chunk(ids, lwj.MaxItems) {
		results, err := do(part)
		if err != nil {
			return endRows(rows, err)
		}
		for i := range results {
			code, err := a.report(rows, part[i], &results[i])
			if err != nil {
				return err
			}
			worst = max(worst, code)
		}
	}
	if err := endRows(rows, nil); err != nil || worst == exitOK {
		return err
	}
	return errQuiet(worst)
}

// report prints one result and returns its exit code. What is refused stands
// on stderr too.
func (a *app) report(rows *rows, id uint64, r *lwj.ItemResult) (int, error) {
	j := resultJSON{Schema: "job.result.v1", Job: id, State: r.State}
	if r.Error == nil {
		return exitOK, rows.add(j, "job", utoa(id), string(r.State))
	}
	code := exitCode(r.Error.Code)
	a.tell(code, r.Error)
	if rows.format == outputTable {
		return code, nil
	}
	j.Error = newErrorJSON(code, r.Error)
	return code, rows.add(j)
}
