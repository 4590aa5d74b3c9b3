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
	if name := foreignWithin(begin); name != "" {
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
// format; "" if it is not. The dimension is the store's, 0 if it has none.
func noFloats(f Format, begin []byte, dimension int) string {
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
		if reason := unfitCounts(begin, dimension); reason != "" {
			return reason
		}
	}
	g := guessValues(values, kinds)
	forced := fmt.Sprintf("or write to vectors.append.%s if they are float32 all the same", f)
	switch {
	case g.name == "" && g.far != "":
		return fmt.Sprintf("as float32 its values are all %s, as those of no embedding are: scale them, or convert them if they are something else, %s", g.far, forced)
	case g.name == "" && f == RawF32 && idsBetween(begin, dimension):
		return "each row has a number before or behind its values that counts up or is of no usual size, as ids have in four or eight bytes: " +
			`leave them out, or write lines of JSON such as {"id": 7, "vector": […]}, or a table with a column "id"; ` + forced
	case g.name == "":
		return ""
	}
	dtype := ""
	switch {
	case g.name == "bytes" && looksSigned(begin):
		dtype = "'i1'"
	case g.name == "bytes":
		dtype = "'u1' or, if they have signs, 'i1'"
	case g.numpy != "":
		dtype = "'" + g.numpy + "'"
	}
	sizes := ""
	if g.far != "" {
		sizes = fmt.Sprintf(", as which they are all %s, as those of no embedding are", g.far)
	}
	return fmt.Sprintf("its values look like %s, not like float32%s: convert them%s, %s", g.name, sizes, inNumPy(f, dtype), forced)
}

// inNumPy is how NumPy converts a file of values of a dtype alone; empty where there is none.
func inNumPy(f Format, dtype string) string {
	if f != RawF32 || dtype == "" {
		return ""
	}
	return fmt.Sprintf(" (in NumPy by np.fromfile(file, %s).astype('<f4'))", dtype)
}

// looksSigned reports whether bytes are numbers around 0 rather than around 128: most are
// within 64 of it, on both sides.
func looksSigned(p []byte) bool {
	below, above := 0, 0
	for _, c := range p {
		switch {
		case c >= 0xc0:
			below++
		case c < 0x40:
			above++
		}
	}
	return 3*(below+above) > 2*len(p) && 5*below > len(p) && 10*above > len(p)
}

// unfitCounts is why a stream that begins as fbin and u8bin do, with a number of rows and a
// dimension, is neither; "" if it does not, or if the two are most likely values as well.
func unfitCounts(p []byte, dimension int) string {
	if !isCounted(p) {
		return ""
	}
	if g := guessValues(p[countedHead:], readings[1:]); g.name != "" && g.name != "bytes" || lookAtWords(p).far() != "" {
		return ""
	}
	rows, columns := int64(binary.LittleEndian.Uint32(p)), int64(binary.LittleEndian.Uint32(p[4:]))
	is := fmt.Sprintf("the stream begins as fbin or u8bin of %d vectors of dimension %d", rows, columns)
	switch {
	case dimension > 0 && columns != int64(dimension):
		return fmt.Sprintf("%s, where the dimension is %d; write to vectors.append.f32 if all of it is float32", is, dimension)
	default:
		return fmt.Sprintf("%s, which has %d bytes in float32 and %d in bytes, but is longer or shorter than both; write to vectors.append.f32 if all of it is float32",
			is, countedHead+4*rows*columns, countedHead+rows*columns)
	}
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
