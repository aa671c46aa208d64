// Package cli is the command line: one file per command, each a thin layer of
// flags and printing over the library.
//
// [Main] runs one command line over [Streams] and returns the exit code. Data
// goes to Out, talk to Err. What a command prints, its flags, its exit codes
// and its JSON are a contract: every JSON value has a "schema" that
// docs/schemas describes (TestOutputFollowsSchemas), and every command's help
// ends in an example that is run (TestExamples).
//
// # Ordering and concurrency
//
// A command runs in one goroutine. Beside it there are only that of the signals,
// which Main waits for, those of the connection, which link.Close waits for,
// in run those of the launcher, and one that waits for a command that kv watch
// or kv owner register runs, which runChild waits for. Output of a job is
// written as it comes, one task's piece at a time; with more than one task line
// by line.
//
// # Failure
//
//	what                             what happens                              proven by
//	a command line that is wrong     exit 2 before any host is asked           TestScripts/usage
//	no bus                           exit 5, and why                           TestScripts/connect
//	an answer that is no             exit 1, 3, 4, 6, 7 or 8                   TestScripts/exit
//	SIGINT, SIGTERM, SIGHUP          130, 143, 129; run cancels its job first  TestScripts/signals
//	a second SIGINT                  run kills its job                         TestScripts/signals
//	CMD of kv owner register         its exit code, also after a signal to us, TestScripts/kv_owner
//	                                 which it gets; Ctrl-C it gets once        TestInterruptOnce
//	CMD of kv watch fails            the watch ends with its exit code         TestScripts/kv_watch_cmd
//	CMD cannot be found, or run      127, 126, before anything is done         TestScripts/kv_owner
//	a transaction that cannot be     exit 2 with where and what; nothing is sent   TestTxnRefused
//	understood
//	nobody reads stdout any more     exit 141 without a word; run cancels      TestScripts/pipe
//
// # Limits
//
// The library's own. A line of submit --jsonl has at most maxLine bytes; a line
// that labels hold back at most maxHeld; completion ends after completeTime; the
// JSON of a transaction has at most maxTxn bytes, maxJSONDepth deep.
package cli
