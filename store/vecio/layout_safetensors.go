package vecio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// safetensorsAlignment is the multiple of bytes to which the header is filled up with
// spaces.
const safetensorsAlignment = 8

// safetensorsLayouts are those of a file of two tensors. The ids come first, as the
// format's own writers put wider values before narrower ones, so that each value
// is aligned.
func safetensorsLayouts(rows uint64, dimension int) []*Layout {
	ids := &Layout{rows: rows, head: 8, hasID: true, putHead: putRawID}
	vectors := rawLayout(rows, dimension)
	begin, row := 8*rows, uint64(vectors.RowSize())
	ids.overfull = row > 0 && rows > math.MaxInt64/(8+row)
	header := fmt.Appendf(nil, `{"ids":{"dtype":"U64","shape":[%d],"data_offsets":[0,%d]},"vectors":{"dtype":"F32","shape":[%d,%d],"data_offsets":[%d,%d]}}`,
		rows, begin, rows, dimension, begin, begin+rows*row)
	header = append(header, bytes.Repeat([]byte(" "), -len(header)&(safetensorsAlignment-1))...)
	ids.prefix = append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	return []*Layout{ids, vectors}
}
