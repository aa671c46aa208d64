package lwj

import "strconv"

// Variables in the environment of a task.
const (
	EnvJobID     = "LWJ_JOBID"
	EnvTask      = "LWJ_TASK"
	EnvNTasks    = "LWJ_NTASKS"
	EnvAttempt   = "LWJ_ATTEMPT"
	EnvEpoch     = "LWJ_EPOCH"
	EnvServer    = "LWJ_SERVER"
	EnvDir       = "LWJ_DIR"
	EnvNamespace = "LWJ_NAMESPACE"
	EnvHost      = "LWJ_HOST"
)

// Task says which task of which job a process is, and how it reaches the bus.
type Task struct {
	Job     uint64
	Task    int // 0 to Tasks-1
	Tasks   int
	Attempt uint32
	Epoch   uint64

	Namespace string
	Server    string // URL; empty: the local host of Dir
	Dir       string // data directory of the local host
}

// Env returns the variables of the task as "K=V", to be put behind those of
// its launcher and before those of Spec.Env. With them "lwj kv put" inside a
// job reaches the bus of the job; a task never becomes a host.
func (t *Task) Env() []string {
	env := []string{
		EnvJobID + "=" + uitoa(t.Job),
		EnvTask + "=" + strconv.Itoa(t.Task),
		EnvNTasks + "=" + strconv.Itoa(t.Tasks),
		EnvAttempt + "=" + strconv.FormatUint(uint64(t.Attempt), 10),
		EnvEpoch + "=" + uitoa(t.Epoch),
		EnvNamespace + "=" + t.Namespace,
		EnvHost + "=never",
	}
	if t.Server != "" {
		return append(env, EnvServer+"="+t.Server)
	}
	return append(env, EnvDir+"="+t.Dir)
}
