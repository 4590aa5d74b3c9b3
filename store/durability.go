package store

import (
	"fmt"

	"rvffs/store/volume"
)

// Durability says when what was committed is on the disk.
type Durability uint8

// The promises that a commit can make.
const (
	// DurableStrict: before it is acknowledged. It survives a power loss.
	DurableStrict Durability = iota
	// DurableInterval: some seconds later. It survives the death of the process,
	// and a power loss takes away at most the newest of it.
	DurableInterval
	// DurableNone: when the operating system sees fit.
	DurableNone
)

var durabilityNames = map[Durability]string{DurableStrict: "strict", DurableInterval: "interval", DurableNone: "none"}

// String is the name that ParseDurability reads.
func (d Durability) String() string { return durabilityNames[d] }

// ParseDurability finds a durability by its name.
func ParseDurability(name string) (Durability, error) {
	for durability, known := range durabilityNames {
		if known == name {
			return durability, nil
		}
	}
	return DurableStrict, fmt.Errorf("%w: durability %q is none of strict, interval and none", volume.ErrInput, name)
}

// lasting is the promise as a volume makes it.
func (d Durability) lasting() volume.Lasting {
	switch d {
	case DurableInterval:
		return volume.LastsSoon
	case DurableNone:
		return volume.LastsSomeTime
	}
	return volume.LastsAtOnce
}
