package vecio

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	npyVersion1 = npyMagic + "\x01\x00"
	// npyAlignment is the multiple of bytes at which the rows begin, so that a
	// mapped array is aligned for every instruction.
	npyAlignment = 64
)

// npyPrefix is the header of an array in C order.
func npyPrefix(kind, shape string) []byte {
	described := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", kind, shape)
	length := len(npyVersion1) + 2 + len(described) + 1
	padding := (npyAlignment - length%npyAlignment) % npyAlignment
	described += strings.Repeat(" ", padding) + "\n"
	prefix := append([]byte(npyVersion1), 0, 0)
	binary.LittleEndian.PutUint16(prefix[len(npyVersion1):], uint16(len(described)))
	return append(prefix, described...)
}

// npyLayout is that of a two-dimensional array of float32.
func npyLayout(rows uint64, dimension int) *Layout {
	l := rawLayout(rows, dimension)
	l.prefix = npyPrefix("<f4", fmt.Sprintf("(%d, %d)", rows, dimension))
	return l
}

// idsLayout is that of a one-dimensional array of ids.
func idsLayout(rows uint64, _ int) *Layout {
	return &Layout{
		prefix: npyPrefix("<u8", fmt.Sprintf("(%d,)", rows)),
		rows:   rows, head: 8, hasID: true, putHead: putRawID,
	}
}

func putRawID(p []byte, id uint64, _ []byte) { binary.LittleEndian.PutUint64(p, id) }
