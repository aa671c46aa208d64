package bus

import "strconv"

// DefaultNamespace is the namespace of a host that is not told another.
const DefaultNamespace = "lwj"

// Names gives every subject, stream and bucket name of a namespace: the one
// place that spells them.
//
//	<ns>.api.v1.<user>.<verb>   requests
//	<ns>.state.<id>             one job's transitions
//	<ns>.event.<id>             one job's other events
//	<ns>.kv.<bucket>.<key>      one key's changes, key escaped
//	<ns>.ctl.<owner>.<id>       control record of a job, for the launcher that owns it
//	<ns>.feed.<bucket>          all changes of a bucket, one message a round
//	<ns>.engine                 heartbeat of the active engine
//	<ns>.out.<id>.<task>.<stdout|stderr>   output of a task (stream LWJ_OUT_<ns>)
//	$KV.<bucket>.<key>          the projected key (stream KV_<bucket>)
type Names struct{ Namespace string }

// API is the subject of a request. user "*" gives the one a host serves.
func (n Names) API(user, verb string) string { return n.Namespace + ".api.v1." + user + "." + verb }

// State is the subject of one job's transitions; id 0 gives all of them.
func (n Names) State(id uint64) string { return n.Namespace + ".state." + idToken(id) }

// Event is the subject of one job's user, sync and action events; id 0 gives all of them.
func (n Names) Event(id uint64) string { return n.Namespace + ".event." + idToken(id) }

// Key is the subject of one key's changes.
func (n Names) Key(bucket, key string) string {
	return n.Namespace + ".kv." + bucket + "." + EscapeKey(key)
}

// Ctl is the subject of the control records of owner's jobs; id 0 gives all of them.
func (n Names) Ctl(owner string, id uint64) string {
	return n.Namespace + ".ctl." + EscapeKey(owner) + "." + idToken(id)
}

// Feed is the subject of a bucket's feed.
func (n Names) Feed(bucket string) string { return n.Namespace + ".feed." + bucket }

// Heartbeat is the subject on which the active engine shows that it lives.
func (n Names) Heartbeat() string { return n.Namespace + ".engine" }

// Output is the subject of one task's output.
func (n Names) Output(id uint64, task, stream string) string {
	return n.Namespace + ".out." + idToken(id) + "." + task + "." + stream
}

// LogStream is the stream of the commit log.
func (n Names) LogStream() string { return "LWJ_LOG_" + n.Namespace }

// CheckpointStream is the stream of the checkpoints.
func (n Names) CheckpointStream() string { return "LWJ_CKPT_" + n.Namespace }

// OutputStream is the stream of job output.
func (n Names) OutputStream() string { return "LWJ_OUT_" + n.Namespace }

// LogSubject is what the log's stream listens on.
func (n Names) LogSubject() string { return "lwj-log." + n.Namespace }

// CheckpointSubject is what the checkpoints' stream listens on, with more tokens.
func (n Names) CheckpointSubject() string { return "lwj-ckpt." + n.Namespace }

// KVBucket is the NATS KV bucket that shows our bucket.
func (n Names) KVBucket(bucket string) string {
	if n.Namespace == DefaultNamespace {
		return bucket
	}
	return n.Namespace + "_" + bucket
}

// KVStream is the stream of that NATS KV bucket.
func (n Names) KVStream(bucket string) string { return "KV_" + n.KVBucket(bucket) }

// KVSubject is the subject of a projected key; escaped is the key escaped, or ">".
func (n Names) KVSubject(bucket, escaped string) string {
	return "$KV." + n.KVBucket(bucket) + "." + escaped
}

func idToken(id uint64) string {
	if id == 0 {
		return "*"
	}
	return strconv.FormatUint(id, 10)
}

// Headers of projected keys and of single events.
const (
	HeaderRevision    = "Lwj-Revision"
	HeaderPrevious    = "Lwj-Previous"
	HeaderVersion     = "Lwj-Version"
	HeaderCreated     = "Lwj-Created"
	HeaderOwner       = "Lwj-Owner"
	HeaderToken       = "Lwj-Token"
	HeaderClock       = "Lwj-Clock"
	HeaderReason      = "Lwj-Reason"
	HeaderTime        = "Lwj-Time" // nanoseconds since 1970, decimal
	HeaderPart        = "Lwj-Part" // "i/n"; absent: 1/1
	HeaderEpoch       = "Lwj-Epoch"
	HeaderIncarnation = "Lwj-Incarnation"
)
