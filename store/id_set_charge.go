package store

import (
	"rvffs/store/idset"
	"rvffs/store/memory"
)

// growingSets charges for sets of ids that grow: whenever they hold a sixteenth more
// than when they were last weighed.
type growingSets struct {
	charge *memory.Charge
	other  int64 // bytes of what does not grow any more, and of all else
	next   uint64
}

// newGrowingSets charges the store's budget.
func (s *Store) newGrowingSets() growingSets {
	charge := s.options.Memory.Charge()
	return growingSets{charge: &charge}
}

// settle is told of sets that do not grow any more; others begin.
func (g *growingSets) settle(sets ...*idset.Set) {
	for _, set := range sets {
		g.other += set.Bytes()
	}
	g.next = 0
}

// free ends all charges.
func (g *growingSets) free() {
	if g.charge != nil {
		g.charge.Free()
	}
	*g = growingSets{}
}

// follow charges for the sets as they are now. The error is that of the charge.
func (g *growingSets) follow(sets ...*idset.Set) error {
	var count uint64
	for _, set := range sets {
		count += set.Len()
	}
	if count < g.next {
		return nil
	}
	return g.weigh(count, sets)
}

func (g *growingSets) weigh(count uint64, sets []*idset.Set) error {
	const unseen = 8192 // ids that come before the sets are weighed again, at least
	total := g.other + 9*unseen
	for _, set := range sets {
		total += set.Bytes() * 17 / 16
	}
	g.next = count + max(count/16, unseen)
	return g.charge.Set(total)
}
