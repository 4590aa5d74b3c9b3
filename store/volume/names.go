package volume

import (
	"crypto/rand"
	"strconv"
	"strings"
)

// A place whose names people see keeps there, beside stores, what it works on and what it
// had to cut off a store.

// RemnantMark stands in the names of remnants: `<store>.tail-<epoch>`, with `-2` and so on
// where that is taken.
const RemnantMark = ".tail-"

// RemnantOf reports whether a name is that of a remnant, and tells of which store.
func RemnantOf(name string) (store string, is bool) {
	at := strings.LastIndex(name, RemnantMark)
	if at <= 0 {
		return "", false
	}
	_, is = RemnantEpoch(name)
	return name[:at], is
}

// RemnantEpoch is the epoch in a remnant's name; false for other names.
func RemnantEpoch(name string) (epoch uint32, is bool) {
	_, numbers, _ := strings.Cut(name[max(0, strings.LastIndex(name, RemnantMark)):], RemnantMark)
	epochs, times, more := strings.Cut(numbers, "-")
	parsed, err := strconv.ParseUint(epochs, 10, 32)
	if err == nil && more {
		_, err = strconv.ParseUint(times, 10, 32)
	}
	return uint32(parsed), err == nil
}

// TemporarySuffix ends the names of what exists only while something is being made; none
// of it is ever shown as a store.
const TemporarySuffix = ".rvffs-tmp"

// TemporaryName is a new name of that kind, which no two get.
func TemporaryName() string { return "." + rand.Text()[:16] + TemporarySuffix }

// IsTemporary reports whether a name is one that is given to what is in the making. After
// a crash such a thing is litter.
func IsTemporary(name string) bool { return strings.HasSuffix(name, TemporarySuffix) }
