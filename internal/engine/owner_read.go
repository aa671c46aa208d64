package engine

import "github.com/lwjbus/lwjbus/bus"

// Bounds of a page of owners: so many of them, or of their keys, which are counted.
const (
	ownersPerPage = 1000
	keysPerPage   = 1 << 18
)

// listOwners answers one page of the registered owners; the leases of single
// keys are left out.
func listOwners(v *View, in *ListOwners) (any, error) {
	a, keys := OwnersAnswer{}, 0
	add := func(c *bus.Change) bool {
		if c.Key == in.After || isTTLOwner(c.Key) {
			return true
		}
		if a.More = len(a.Owners) >= ownersPerPage || keys >= keysPerPage; a.More {
			return false
		}
		if o, ok := v.ownerInfo(c); ok {
			a.Owners, keys = append(a.Owners, o), keys+o.Keys
		}
		return true
	}
	first, behind := ttlOwner, ttlOwner[:len(ttlOwner)-1]+"/" // they may be many
	if in.After < first {
		v.Range(OwnerBucket, in.After, &first, add)
	}
	if !a.More {
		v.Range(OwnerBucket, max(in.After, behind), nil, add)
	}
	return a, nil
}

// showOwner answers one owner.
func showOwner(v *View, in *ShowOwner) (any, error) {
	if c := v.Get(OwnerBucket, in.ID); c != nil {
		if o, ok := v.ownerInfo(c); ok {
			return o, nil
		}
	}
	if o, ok := v.Owner(in.ID); ok {
		return OwnerInfo{ID: o.ID, Token: o.Token, Keys: v.owns(o)}, nil
	}
	return nil, noOwner(in.ID)
}

// ownerInfo describes the registration in c.
func (v *View) ownerInfo(c *bus.Change) (OwnerInfo, bool) {
	r, token, ok := readRegistration(c)
	o := Owner{c.Key, token}
	info := OwnerInfo{ID: o.ID, Token: o.Token, TTL: r.TTL, Info: r.Info, Ending: r.Ending}
	if ok {
		info.Keys = v.owns(o)
		info.Left = v.e.leases.left(o, v.e.engineTime()).Milliseconds()
	}
	return info, ok
}

// owns counts the keys of an owner.
func (v *View) owns(o Owner) (n int) {
	v.Owned(o, func(*bus.Change) bool { n++; return true })
	return n
}
