package rows

import (
	"rvffs/store/idset"
	"rvffs/store/memory"
)

// GrowingSets charges for sets of ids that grow: whenever they hold a sixteenth more
// than when they were last weighed.
type GrowingSets struct {
	charge *memory.Charge
	other  int64 // bytes of what does not grow any more, and of all else
	next   uint64
}

// NewGrowingSets charges for sets, and for other bytes besides.
func NewGrowingSets(charge *memory.Charge, other int64) GrowingSets {
	return GrowingSets{charge: charge, other: other}
}

// Settle is told of sets that do not grow any more; others begin.
func (g *GrowingSets) Settle(sets ...*idset.Set) {
	for _, set := range sets {
		g.other += set.Bytes()
	}
	g.next = 0
}

// Begun reports whether there is something to charge to.
func (g *GrowingSets) Begun() bool { return g.charge != nil }

// Restart is told that the sets begin anew.
func (g *GrowingSets) Restart() { g.next = 0 }

// Free ends all charges.
func (g *GrowingSets) Free() {
	if g.charge != nil {
		g.charge.Free()
	}
	*g = GrowingSets{}
}

// Follow charges for the sets as they are now. The error is that of the charge.
func (g *GrowingSets) Follow(sets ...*idset.Set) error {
	var count uint64
	for _, set := range sets {
		count += set.Len()
	}
	if count < g.next {
		return nil
	}
	return g.weigh(count, sets)
}

func (g *GrowingSets) weigh(count uint64, sets []*idset.Set) error {
	const unseen = 8192 // ids that come before the sets are weighed again, at least
	total := g.other + 9*unseen
	for _, set := range sets {
		total += set.Bytes() * 17 / 16
	}
	g.next = count + max(count/16, unseen)
	return g.charge.Set(total)
}
