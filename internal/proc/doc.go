// Package proc runs the processes of a job under a supervisor process of their
// own, so that none of them outlives the program that started them.
//
// [Start] runs this program again as a supervisor ([Init], first in main,
// takes over there) and sends it a [Spec]. The supervisor starts the tasks,
// each in a process group of its own, and reports pids, output and exits as
// [Event] values. A [Group] releases, signals, stops and kills them. The
// package knows no job and no bus.
//
//	launcher ── socket pair ── supervisor (own session, subreaper) ─┬─ task 0
//	   └──────── stdin pipe ─────────────────────────────────────── │ ┘
//	                                                                └─ task 1 …
//
// # Ordering and concurrency
//
// One goroutine per group calls the handler, one event at a time. Of one task:
// Held, then Started, then its Output, and one Exited or ExecFailed; Output may
// still follow Exited, nothing follows Done. A stream is byte-exact and in
// order (TestOutputByteExact); between two streams there is no order. While the
// handler runs the tasks' writes wait, and none is lost (TestBackPressure);
// commands do not wait for it (TestKillWhileHandlerWaits). All methods are safe
// for concurrent use, the handler may call them, and none blocks on a process.
//
// In the launcher a group costs one goroutine, two descriptors (three with
// Spec.Stdin) and no thread (TestManyGroups). In the supervisor one goroutine,
// locked to its thread, starts, signals and reaps; one goroutine per stream
// copies output, one per held task watches it, one reads commands and one
// writes events; they end with the process.
//
// # Failure
//
//	what                             what happens                                        proven by
//	command not found                ExecFailed 127 for each task                        TestExecFailed
//	not executable, no directory,    ExecFailed 126 for each task, Err says which        TestExecFailed
//	too many arguments
//	one task cannot be executed      the others run                                      TestExecFailedOfOne
//	task ended by signal n           Exited, Code 128+n, Signal n                        TestExit
//	launcher killed                  its socket ends: the supervisor kills the tasks     TestLauncherKilled
//	                                 and all that came of them, then exits
//	supervisor killed                the tasks die with it (parent death signal), their  TestSupervisorKilled
//	                                 groups are killed; Exited 137 and Done say so;   TestTasksTiedToSupervisor
//	                                 output on its way is lost
//	supervisor stopped (SIGSTOP)     Stop and Kill wake it                               TestSupervisorStopped
//	Ctrl-C in the terminal           reaches the launcher alone                          TestSupervisorSignalled
//	task ignores SIGTERM             SIGKILL after the grace                             TestStopOfTheDeaf
//	Stop before a task started       Exited 143 with no pid                              TestStopAtOnce
//	daemon left behind               killed when the tasks have ended; when it holds     TestEscapedWithoutOutput
//	                                 their output open, after DrainTime                  TestEscapedWithOutput
//	a process that may not be        tried for KillTime, then named in Done's Err        TestGiveUp
//	killed (setuid), or does not die
//	held task killed, or stopped     Exited, never Started                               TestHeldStopped
//	held command gone at Release     ExecFailed                                          TestHeldExecFails
//	main does not call Init          Start returns ErrInit                               TestWithoutInit
//
// # Limits
//
// Named in limits.go. A signal other than SIGSTOP, SIGCONT, SIGTERM, SIGINT,
// SIGHUP and SIGKILL to a task that is still held is not what its command would
// do with it. When the supervisor itself is killed, a process that left both
// its task's process group and its parent survives. A setuid program loses the
// parent death signal.
//
// Linux has all of this. What other unixes lack stands in sys_other.go; Windows
// is not supported.
package proc
