// Package faults breaks real hosts and holds what is left to the promises. It
// is tests only: real processes that are killed, connections that are cut, a
// disk that is full, strangers that write into the views.
//
// # What is broken
//
//   - The host process is killed with SIGKILL at random moments
//     (TestK25KilledHost, TestJ10HostIsKilled, TestLinearizableThroughKills,
//     TestWordLinear, TestA08), and, in one process a thousand times, at each step of a transaction: before
//     it is in the log, before it is revealed, before it is projected
//     (TestK25EveryStep).
//   - A connection is cut between request and answer (TestK26AnswerIsLost,
//     TestA07), and under a monitor (TestJ09MonitorIsCut).
//   - A launcher is stopped with SIGSTOP until its lease is over
//     (TestJ11PausedLauncher).
//   - Strangers write into the KV buckets (TestK24ForeignWrites,
//     TestJ21ForeignState).
//   - The disk fills up (TestDiskFull). This needs a file system of its own: the
//     test mounts a tmpfs, which only root may. It is the one test that is
//     skipped, with that reason, where it may not mount, and it is on Linux only.
//   - Hosts are started and stopped again and again (TestManyStarts), also while
//     writes are in flight (TestK21ThroughRestart) and with jobs in every state
//     (TestJ22Restart).
//
// # How
//
// The test binary is its own helper: with helperMark as first argument it is a
// host, or an owner of a job, and does nothing else (helper_test.go). It ends
// when its stdin does, so no helper outlives its test.
//
// Whatever is random is drawn from a seed, which a failing test prints and the
// flag -seed takes; when a process is killed is as random as its machine. The
// flag -kills=1000 gives TestK25KilledHost its long size, about five minutes.
package faults
