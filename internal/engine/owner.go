package engine

import (
	"sort"
	"time"
	"unicode/utf8"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of a registration, in bytes.
const (
	MaxOwnerID   = 256
	MaxOwnerInfo = 4 << 10
)

// Owner is who owns a key: the owner's id and fencing token.
type Owner struct {
	ID    string
	Token uint64
}

// ownLayer is what every engine answers: owners and their leases.
func (e *Engine) ownLayer() Layer {
	end := Write("owner.end", nil, func(tx *Tx, in *EndOwner) (any, error) { return nil, e.endByHand(tx, in) })
	end.Reserve = true // it frees something
	return Layer{
		Name: "engine",
		Buckets: []Bucket{
			{Name: OwnerBucket, History: 1, Transient: true, ReadOnly: true, Settles: true},
			{Name: timerBucket, History: 1, Transient: true, ReadOnly: true, Settles: true},
			{Name: BucketBucket, History: 1, Transient: true, ReadOnly: true, Settles: true},
		},
		Subject:    func(bus.Names, *bus.Change) string { return "" },
		Procedures: []Procedure{end, Write("owner.register", checkRegister, registerOwner)},
		Reads: []Read{
			ReadOf("owner.renew", nil, func(_ *View, in *RenewOwner) (any, error) {
				return OwnerAnswer{Token: in.Token}, e.leases.renew(in.ID, in.Token, e.engineTime())
			}),
			ReadOf("owner.list", nil, listOwners),
			ReadOf("owner.show", nil, showOwner),
		},
	}
}

func checkRegister(in *RegisterOwner) error {
	ttl := time.Duration(in.TTL) * time.Millisecond
	switch {
	case in.ID == "" || len(in.ID) > MaxOwnerID || !utf8.ValidString(in.ID):
		return bus.NewError(bus.CodeUsage, "an owner's id has 1 to %d bytes of UTF-8", MaxOwnerID)
	case reservedOwner(in.ID):
		return bus.NewError(bus.CodeUsage, "the owner id %q is reserved", in.ID).
			WithHint("ids that begin with _ are the host's; job_<id> is that job for as long as it runs")
	case in.TTL != 0 && (ttl < MinTTL || ttl > MaxTTL):
		return bus.NewError(bus.CodeUsage, "a lease of %v is outside %v to %v", ttl, MinTTL, MaxTTL).
			WithHint("0 is an owner that lives until it is ended")
	case len(in.Info) > MaxOwnerInfo:
		return bus.NewError(bus.CodeTooLarge, "what an owner says of itself has %d bytes; at most %d are kept", len(in.Info), MaxOwnerInfo)
	}
	return nil
}

func registerOwner(tx *Tx, in *RegisterOwner) (any, error) {
	if r, token, ok := readRegistration(tx.Get(OwnerBucket, in.ID)); ok {
		err := bus.NewError(bus.CodeExists, "owner %q is registered already (token %d)", in.ID, token).WithRevision(token)
		if r.Ending {
			err = err.WithHint("it has ended and what it owned is being deleted: try again")
		}
		return nil, err
	}
	return OwnerAnswer{Token: tx.register(in.ID, Registration{TTL: in.TTL, Info: in.Info}).Created}, nil
}

// Owner is who is registered under id now, or lives under it without a
// registration, as a job does; false where it is nobody, one that is ending,
// or the lease of a key.
func (tx *Tx) Owner(id string) (Owner, bool) { return ownerOf(tx, tx.virtual, id) }

// OwnerAlive tells whether an owner lives under this token.
func (tx *Tx) OwnerAlive(o Owner) bool {
	now, ok := tx.Owner(o.ID)
	return ok && now == o
}

// Owner is Tx.Owner as of the view.
func (v *View) Owner(id string) (Owner, bool) { return ownerOf(v, v.e.virtual, id) }

func ownerOf(r Reader, virtual []func(Reader, string) (uint64, bool), id string) (Owner, bool) {
	if id == "" || isTTLOwner(id) {
		return Owner{}, false
	}
	if c := r.Get(OwnerBucket, id); c != nil {
		reg, token, ok := readRegistration(c)
		return Owner{id, token}, ok && !reg.Ending
	}
	for _, f := range virtual {
		if token, ok := f(r, id); ok {
			return Owner{id, token}, true
		}
	}
	return Owner{}, false
}

func (e *Engine) endByHand(tx *Tx, in *EndOwner) error {
	r, token, ok := readRegistration(tx.Get(OwnerBucket, in.ID))
	if !ok || r.Ending || isTTLOwner(in.ID) || in.Token != 0 && in.Token != token {
		return noOwner(in.ID)
	}
	e.endOwner(tx, Owner{in.ID, token}, bus.ReasonOwnerGone)
	return nil
}

// Owners lists the registered owners and what is left of their leases, by id.
func (e *Engine) Owners() []OwnerLease {
	e.leases.mu.Lock()
	defer e.leases.mu.Unlock()
	out, now := make([]OwnerLease, 0, len(e.leases.byID)), e.engineTime()
	for _, le := range e.leases.byID {
		if !isTTLOwner(le.id) {
			out = append(out, OwnerLease{Owner{le.id, le.token}, le.left(now)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

// OwnerLease is one registered owner.
type OwnerLease struct {
	Owner
	Left time.Duration // of its lease; 0 without one
}
