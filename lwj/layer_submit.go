package lwj

import (
	"strconv"

	"github.com/lwjbus/lwjbus/bus"
	"github.com/lwjbus/lwjbus/internal/engine"
)

// checkSubmit validates and encodes the specs before the request is queued.
func checkSubmit(in *SubmitRequest) error {
	if n := len(in.Specs); n == 0 || n > MaxSubmit {
		return usage("a submit has 1 to %d jobs, not %d", MaxSubmit, n)
	}
	if in.Start && in.External != "" {
		return usage("a job begins with its owner or without one, not both")
	}
	in.encoded = make([][]byte, len(in.Specs))
	for i := range in.Specs {
		if err := in.checkSpec(i); err != nil {
			return onSpec(i, len(in.Specs), err)
		}
	}
	return nil
}

func (in *SubmitRequest) checkSpec(i int) (err error) {
	s := in.Specs[i].withDefaults()
	if in.External == "" {
		err = s.Validate()
	} else {
		err = s.validate()
	}
	if err == nil {
		err = s.machine().Check("", in.first())
	}
	if err == nil {
		in.encoded[i], err = s.encode()
	}
	in.Specs[i] = s
	return err
}

// first is the state the jobs begin with.
func (in *SubmitRequest) first() State {
	switch {
	case in.External != "":
		return in.External
	case in.Start:
		return Reserved
	}
	return Submitted
}

// onSpec names the one of several specs that is refused.
func onSpec(i, of int, err error) error {
	if of == 1 {
		return err
	}
	e := asBusError(err)
	c := *e
	c.Message = "spec " + strconv.Itoa(i+1) + " of " + strconv.Itoa(of) + ": " + c.Message
	return &c
}

// submit makes jobs, all in one transaction.
func (l *layer) submit(tx *engine.Tx, in *SubmitRequest) (any, error) {
	if in.Start && !tx.OwnerAlive(engine.Owner{ID: in.Owner, Token: in.Token}) {
		return nil, refuse(ErrNoOwner, "owner %q (token %d) is not registered, or its lease has ended", in.Owner, in.Token).
			WithHint("register again")
	}
	last, err := lastID(tx)
	if err != nil {
		return nil, err
	}
	before, answer := last, SubmitAnswer{}
	for i := range in.Specs {
		if id := knownByDedup(tx, &in.Specs[i]); id != 0 {
			answer.IDs, answer.Known = append(answer.IDs, id), append(answer.Known, id)
			continue
		}
		last++
		if err := l.begin(tx, last, in, i); err != nil {
			return nil, err
		}
		answer.IDs = append(answer.IDs, last)
	}
	if last != before {
		tx.Put(Bucket, nextIDKey, strconv.AppendUint(nil, last, 10))
	}
	return answer, nil
}

// begin writes the keys of a new job.
func (l *layer) begin(tx *engine.Tx, id uint64, in *SubmitRequest, i int) error {
	spec := &in.Specs[i]
	ctl := &Control{Attempt: 1, External: in.External != "", Own: spec.Machine != nil}
	if in.Start {
		ctl.Owner, ctl.Token = in.Owner, in.Token
	}
	if in.Start || ctl.External {
		ctl.Epoch = 1
	}
	tx.Put(Bucket, specKey(id), in.encoded[i])
	tx.Put(OwnBucket, ownKey(ctl.Owner, id), nil)
	if spec.Dedup != "" {
		tx.Put(DedupBucket, spec.Dedup, strconv.AppendUint(nil, id, 10))
	}
	j := &job{l: l, tx: tx, id: id, ctl: ctl, state: &StateRecord{}}
	if err := j.putControl(); err != nil {
		return err
	}
	return j.record(in.first(), nil, false)
}

// lastID is the newest id, 0 before the first job.
func lastID(r reader) (uint64, error) {
	c := r.Get(Bucket, nextIDKey)
	if c == nil {
		return 0, nil
	}
	id, err := strconv.ParseUint(string(c.Value), 10, 64)
	if err != nil {
		return 0, bus.NewError(bus.CodeStore, "key %s holds %q, which is no id", nextIDKey, c.Value)
	}
	return id, nil
}

// knownByDedup is the job that was submitted with the same dedup key; 0: none.
func knownByDedup(r reader, s *Spec) uint64 {
	if s.Dedup == "" {
		return 0
	}
	c := r.Get(DedupBucket, s.Dedup)
	if c == nil {
		return 0
	}
	id, _ := strconv.ParseUint(string(c.Value), 10, 64)
	return id
}

func uitoa(n uint64) string { return strconv.FormatUint(n, 10) }
