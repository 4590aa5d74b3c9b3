package vecio

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// idKinds are what a list of ids may be instead of little-endian uint64.
var idKinds = slices.DeleteFunc(slices.Clone(readings[:]), func(r reading) bool {
	return r.size < 4 || r.size == 8 && r.floats == nil && !r.bigEndian
})

// noIDs is why bytes do not look like ids in little-endian uint64; "" if they do. Ids
// are as often random as small, and random bits are as much one kind as another: what they
// look like instead has to take hardly more than half of the bits. Where some are stored, it has
// to take as much less than the differences of ids that follow each other do, for ids made
// of times and counters are regular in many ways.
func noIDs(begin []byte, someStored bool) string {
	var text utf16Look
	for _, c := range begin {
		if text.next(c) != lookPossible {
			break
		}
	}
	if text.state == lookSure || text.likely() {
		return "the stream is text in UTF-16: convert it to UTF-8"
	}
	if found, _ := matchMagic(begin); found != nil {
		name := found.name
		if name == "" {
			name = "a file of vectors"
		}
		return "the stream is " + name + ", and no list of ids"
	}
	if name := foreignWithin(begin); name != "" && !isCounted(begin) {
		return "the stream is " + name + ", and no list of ids"
	}
	if len(begin) < 4 {
		return ""
	}
	p := different(begin)
	ids := reading{size: 8}
	own := ids.bits(p, math.Inf(1), nil)
	if someStored {
		own = min(own, ids.bits(differences(p), math.Inf(1), nil))
	}
	if g := cheapest(p, idKinds, min(own-guessMargin, own*0.55), nil); g.name != "" {
		return "its bytes look like " + g.name + ", not like ids in little-endian uint64: convert them, or write them as text"
	}
	return ""
}

// ivecs are what rows behind their dimensions may hold that is no float32: the ids of the
// nearest neighbours, mostly.
var ivecs = [...]reading{{name: "int32", numpy: "<i4", size: 4}}

// noFloats is why a stream of float32 that begins so is refused, unless a name forces its
// format; "" if it is not.
func noFloats(f Format, begin []byte) string {
	begin = begin[:min(len(begin), guessBytes)]
	values, kinds := begin, readings[1:]
	switch f {
	case Fvecs: // its dimensions tell the byte order and how long a value is
		values, kinds = vecsValues(begin), ivecs[:]
	case Fbin: // and so do its first words
		values, kinds = begin[min(countedHead, len(begin)):], ivecs[:]
	default:
		if name := foreignWithin(begin); name != "" {
			return "the stream is " + name + ", which holds no vectors that can be read"
		}
	}
	g := guessValues(values, kinds)
	if g.name == "" {
		return ""
	}
	convert := "convert them"
	if f == RawF32 && g.numpy != "" {
		convert += fmt.Sprintf(" (in NumPy by np.fromfile(file, '%s').astype('<f4'))", g.numpy)
	}
	return fmt.Sprintf("its values look like %s, not like float32: %s, or write to vectors.append.%s if they are float32 all the same", g.name, convert, f)
}

// vecsValues is what stands in fvecs behind the rows' dimensions, as far as these agree.
func vecsValues(p []byte) (values []byte) {
	if len(p) < vecsPrefix {
		return nil
	}
	dimension := p[:vecsPrefix]
	length := 4 * int(binary.LittleEndian.Uint32(dimension))
	for len(p) >= vecsPrefix && string(p[:vecsPrefix]) == string(dimension) {
		n := min(length, len(p)-vecsPrefix)
		values = append(values, p[vecsPrefix:vecsPrefix+n]...)
		p = p[vecsPrefix+n:]
	}
	return values
}
