package rows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"runtime"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// Members are the ids that a branch shows of its parent's, as its membership filter says.
// They never change.
type Members struct {
	entry  segments.DirectoryEntry // of the filter
	filter *segments.Membership
}

// MembersOf reads the membership filter of a branch. The error is ErrCorrupt for one that
// is not what its hash says, or that is missing.
func MembersOf(reading *state.Reading) (*Members, error) {
	entry, some := reading.Snapshot().LastOf(segments.TypeMembership)
	if !some {
		return nil, fmt.Errorf("%w: the branch has no membership filter, which says what it shows of its parent's", volume.ErrCorrupt)
	}
	charge := reading.Snapshot().Backing().Memory().Charge()
	if err := charge.Set(int64(min(entry.PayloadLength, segments.MaxPayload))); err != nil {
		return nil, err
	}
	payload, err := reading.ReadSegment(entry, segments.MaxPayload)
	m := &Members{entry: entry}
	if err == nil {
		m.filter, err = segments.ParseMembership(payload)
	}
	if err != nil {
		charge.Free()
		return nil, fmt.Errorf("membership filter at offset %d: %w", entry.Offset, volume.AsCorrupt(err))
	}
	runtime.AddCleanup(m, func(charge *memory.Charge) { charge.Free() }, &charge)
	return m, nil
}

// Contains reports whether the branch shows an id of its parent's.
func (m *Members) Contains(id uint64) bool { return m.filter.Contains(id) }

// Entry is where the filter stands.
func (m *Members) Entry() segments.DirectoryEntry { return m.entry }

// Count is the number of ids, of which the parent need not have each; false where the
// filter names what is not shown, so that nobody can tell.
func (m *Members) Count() (uint64, bool) {
	return m.filter.Header.MemberCount, !m.filter.Header.Exclude
}

// word is the one that tells of 64 ids, the first of which has the number 64 × at: a bit
// for each that is shown.
func (m *Members) word(at uint64) uint64 {
	var word uint64
	if at < uint64(len(m.filter.Bitmap)/8) {
		word = binary.LittleEndian.Uint64(m.filter.Bitmap[8*at:])
	}
	if m.filter.Header.Exclude {
		return ^word
	}
	return word
}

// Among are those of some ids that are shown.
func (m *Members) Among(ids *idset.Set) *idset.Set {
	shown := idset.New()
	for cursor := ids.Cursor(); cursor.Any; cursor.Next() {
		last := cursor.Run.Last
		if end := uint64(len(m.filter.Bitmap)) * 8; last >= end {
			if m.filter.Header.Exclude {
				first := max(cursor.Run.First, end)
				shown.AddRun(first, last-first+1)
			}
			if cursor.Run.First >= end {
				continue
			}
			last = end - 1
		}
		for from, word := range m.words(cursor.Run.First, last) {
			addWord(shown, from, word)
		}
	}
	return shown
}

// addWord adds the ids of the bits of a word, the first of which is from.
func addWord(ids *idset.Set, from, word uint64) {
	for word != 0 {
		skip := uint64(bits.TrailingZeros64(word))
		run := uint64(bits.TrailingZeros64(^(word >> skip)))
		ids.AddRun(from+skip, run)
		if skip+run == 64 {
			return
		}
		word &= math.MaxUint64 << (skip + run)
	}
}

// words are those that tell of the ids from first to last, each with the number of its
// first id, and nothing of others.
func (m *Members) words(first, last uint64) iter.Seq2[uint64, uint64] {
	return func(yield func(from, word uint64) bool) {
		for at := first / 64; at <= last/64; at++ {
			word := m.word(at)
			if at == first/64 {
				word &= math.MaxUint64 << (first % 64)
			}
			if at == last/64 {
				word &= math.MaxUint64 >> (63 - last%64)
			}
			if !yield(64*at, word) {
				return
			}
		}
	}
}

// countIn is how many of the ids from first to last are shown.
func (m *Members) countIn(first, last uint64) (count uint64) {
	end := uint64(len(m.filter.Bitmap)) * 8
	if first >= end || last >= end {
		if m.filter.Header.Exclude {
			count = last - max(first, end) + 1
		}
		if first >= end || end == 0 {
			return count
		}
		last = end - 1
	}
	for _, word := range m.words(first, last) {
		count += uint64(bits.OnesCount64(word))
	}
	return count
}

// Hidden are those of some ids that m shows and later does not.
func (m *Members) Hidden(later *Members, of *idset.Set) *idset.Set {
	shown := m.Among(of)
	return shown.Without(later.Among(shown))
}

// HiddenBy are the ids that m shows and a later filter does not, up to the highest of which
// either of them tells.
func (m *Members) HiddenBy(later *segments.Membership) *idset.Set {
	all := idset.New()
	all.AddRun(0, 8*uint64(max(len(m.filter.Bitmap), len(later.Bitmap))))
	return m.Hidden(&Members{filter: later}, all)
}

// without are the ids that m shows and later does not, if later shows no others. It tells
// at most so many of them; false means that there are more, or others.
func (m *Members) without(later *Members, most uint64) (gone []uint64, fewer bool) {
	if m == later {
		return nil, true
	}
	if m.filter.Header.Exclude || later.filter.Header.Exclude {
		return nil, false
	}
	for at := range uint64(max(len(m.filter.Bitmap), len(later.filter.Bitmap)) / 8) {
		before, after := m.word(at), later.word(at)
		if after&^before != 0 {
			return nil, false
		}
		for left := before &^ after; left != 0; left &= left - 1 {
			if uint64(len(gone)) == most {
				return nil, false
			}
			gone = append(gone, 64*at+uint64(bits.TrailingZeros64(left)))
		}
	}
	return gone, true
}

// errFewMembers ends a list that would be too long.
var errFewMembers = errors.New("too many ids are not shown")

// absent lists the ids from first to last that are not shown, at most so many.
func (m *Members) absent(first, last uint64, most uint64) ([]uint64, error) {
	var ids []uint64
	for at := first / 64; at <= last/64; at++ {
		word := ^m.word(at)
		if at == first/64 {
			word &= math.MaxUint64 << (first % 64)
		}
		if at == last/64 {
			word &= math.MaxUint64 >> (63 - last%64)
		}
		for ; word != 0; word &= word - 1 {
			if uint64(len(ids)) == most {
				return nil, errFewMembers
			}
			ids = append(ids, 64*at+uint64(bits.TrailingZeros64(word)))
		}
	}
	return ids, nil
}

// difference are the ids that one of two filters shows and the other does not.
func (m *Members) difference(other *Members) *idset.Set {
	ids := idset.New()
	for at := range uint64(max(len(m.filter.Bitmap), len(other.filter.Bitmap)) / 8) {
		addWord(ids, 64*at, m.word(at)^other.word(at))
	}
	return ids
}
