package vecio

import (
	"encoding/binary"
	"math"
)

// fbinLayout is that of a file whose first two words are the number of rows and the
// dimension.
func fbinLayout(rows uint64, dimension int) *Layout {
	l := rawLayout(rows, dimension)
	l.prefix = binary.LittleEndian.AppendUint32(l.prefix, uint32(rows))
	l.prefix = binary.LittleEndian.AppendUint32(l.prefix, uint32(dimension))
	l.overfull = rows > math.MaxUint32
	return l
}
