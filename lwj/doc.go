// Package lwj is jobs: submitting them, following every one of their states,
// waiting for them, stopping them, and reading what they print.
//
// A job is a few keys in bucket "lwj", N being its id:
//
//	next-id      decimal: the newest id; ids grow for ever
//	N.spec       Spec, as submitted; never changes
//	N.ctl        Control: owner and epoch, cancel request, holds
//	N.state      StateRecord: one version for each transition
//	N.event.<n>  EventRecord: what is no transition, n = 1, 2, …
//
// Submit writes the first four in one transaction. Bucket "lwj-own" has one key
// for each job that is not in a final state, "<owner>/<id, 20 digits>" (owner
// escaped as in a URL path; empty for none), and "lwj-dedup" one for each dedup
// key; neither is shown or sent as events.
//
// # Ordering and concurrency
//
// Each transition is one entry of the host's log, so it is the state and the
// event at once: a Monitor gets each exactly once, in commit order, each job's
// linked by their previous revisions (TestMonitorSeesEveryTransition). Folding
// the transitions of a job gives its state (Fold, CheckReplay). All types here
// are safe for concurrent use unless they say otherwise; a Monitor and an
// OutputReader belong to one goroutine at a time.
//
// # Failure
//
// A transition is guarded by the job's Machine and fenced by its epoch: who
// lost a job cannot write it any more (ErrFenced, TestAdvanceFenced). When an
// owner ends, its jobs fail with reason lost, or go back to submitted if they
// have retries left. Reads are repeated until the connection's RequestTimeout;
// waits and monitors go on over reconnects and new hosts.
//
// # Limits
//
// See the Max constants: 65,536 arguments and 1 MiB a spec, 1,000 jobs a
// submit, 4,096 items a request, 10,000 events a job, 256 KiB an output chunk.
package lwj
