package lwj

import "github.com/lwjbus/lwjbus/internal/proc"

// Init is the first call in main of a program that starts a Launcher: the
// supervisor of a job's processes is this same program, and Init takes over in
// it and never returns. Anywhere else it returns at once. Without it every job
// of a launcher fails with reason ReasonExec, and the error says what to call.
func Init() { proc.Init() }
