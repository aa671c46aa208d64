package kvbucket

import (
	"context"
	"time"

	"github.com/lwjbus/lwjbus/bus"
)

// Bounds of leases.
const (
	DefaultLease = 10 * time.Second // SessionConfig.TTL
	MinLease     = time.Second
	MaxLease     = 24 * time.Hour
)

// OwnerInfo is one registered owner.
type OwnerInfo struct {
	Owner
	TTL    time.Duration // of its lease; 0: it lives until it is ended
	Left   time.Duration // of the lease, when the host answered; 0 without one
	Info   string        // for people: who it is
	Ending bool          // no longer an owner: what it owns is being deleted
	Keys   int           // that it owns
}

// RegisterOwner registers an owner under id and returns it with its fencing
// token. It owns what is put under it until it ends: by EndOwner, or, unless
// ttl is 0, when nobody has renewed it for ttl, counted in whole milliseconds.
// Then everything it still owns is deleted, in one transaction
// (TestOwnerEnds). OpenSession registers one and renews it.
//
// info is for people. An id has 1 to 256 bytes of UTF-8.
//
// Errors: ErrExists when the id is registered, with the token as Revision;
// CodeUsage for an id or a ttl that cannot be; those of bus.Conn.Call.
func RegisterOwner(ctx context.Context, c *bus.Conn, id string, ttl time.Duration, info string) (Owner, error) {
	if ttl != 0 && (ttl < MinLease || ttl > MaxLease) {
		return Owner{}, bus.NewError(bus.CodeUsage, "a lease of %v is outside %v to %v", ttl, MinLease, MaxLease).
			WithHint("0 is an owner that lives until it is ended")
	}
	var a ownerAnswer
	err := c.Call(ctx, verbRegister, &registerRequest{ID: id, TTL: ttl.Milliseconds(), Info: info}, &a)
	if err != nil {
		return Owner{}, err
	}
	return Owner{ID: id, Token: a.Token}, nil
}

// RenewOwner gives the owner's lease its full time again, counted by the host
// from when it gets the request. It costs no write.
//
// Errors: ErrNoOwner when the owner has ended; ErrFenced when its id has been
// registered again since; those of bus.Conn.Call.
func RenewOwner(ctx context.Context, c *bus.Conn, o Owner) error {
	return c.Call(ctx, verbRenew, &ownerRequest{ID: o.ID, Token: o.Token}, nil, bus.Read())
}

// EndOwner ends the owner: its registration and every key it owns now are
// deleted in one transaction, reason bus.ReasonOwnerGone; beyond what fits one,
// the owner ends at once and its keys go in several. Token 0 ends whoever is
// registered under the id.
//
// Errors: ErrNoOwner when it has ended already, and with another token than
// the one registered; those of bus.Conn.Call.
func EndOwner(ctx context.Context, c *bus.Conn, o Owner) error {
	return c.Call(ctx, verbEnd, &ownerRequest{ID: o.ID, Token: o.Token}, nil)
}

// Owners lists the registered owners by id. It is read in parts: an owner that
// comes or goes meanwhile may or may not be among them.
//
// Errors: those of bus.Conn.Call.
func Owners(ctx context.Context, c *bus.Conn) ([]OwnerInfo, error) {
	var list []OwnerInfo
	for in := (&ownersRequest{}); ; in.After = list[len(list)-1].ID {
		var a ownersAnswer
		if err := c.Call(ctx, verbOwners, in, &a, bus.Read()); err != nil {
			return nil, err
		}
		list = append(list, a.Owners...)
		if !a.More || len(a.Owners) == 0 {
			return list, nil
		}
	}
}

// ShowOwner returns the owner that is registered under id.
//
// Errors: ErrNoOwner when there is none; those of bus.Conn.Call.
func ShowOwner(ctx context.Context, c *bus.Conn, id string) (OwnerInfo, error) {
	var o OwnerInfo
	err := c.Call(ctx, verbOwner, &showOwnerRequest{ID: id}, &o, bus.Read())
	return o, err
}
