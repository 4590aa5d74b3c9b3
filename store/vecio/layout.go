package vecio

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Layout is a file of vectors whose rows all have one width, so that any part of
// it can be made without the rest: a prefix, then row after row. A row is a head,
// which may hold the id and the first component, then one cell for each component
// that is left, then a tail.
type Layout struct {
	prefix   []byte
	rows     uint64
	cells    int  // of a row
	inHead   int  // components that the head shows, which stand before those of the cells
	head     int  // bytes
	cell     int  // bytes
	tail     int  // bytes
	hasID    bool // the head shows the id
	bare     bool // rows are the components as they are
	overfull bool // the format cannot say that it has so many rows
	// putHead writes the first bytes of a row; values are the components that it shows.
	putHead func(p []byte, id uint64, values []byte)
	// putCells writes whole cells of a row, from the cell with the index first on;
	// values are their little-endian float32.
	putCells func(p []byte, first int, values []byte)
	// putTail writes the last bytes of a row.
	putTail func(p []byte)
}

// Prefix is what stands before the first row. It must not be changed.
func (l *Layout) Prefix() []byte { return l.prefix }

// Rows is the number of rows.
func (l *Layout) Rows() uint64 { return l.rows }

// RowSize is the width of a row in bytes.
func (l *Layout) RowSize() int { return l.head + l.cells*l.cell + l.tail }

// Size is the length of the file in bytes; false when that does not fit in an
// int64, which no real store comes near, or when the format has no room for the
// number of rows.
func (l *Layout) Size() (int64, bool) {
	size := uint64(l.RowSize())
	room := uint64(math.MaxInt64 - len(l.prefix))
	if l.overfull || size > 0 && l.rows > room/size {
		return 0, false
	}
	return int64(len(l.prefix)) + int64(l.rows*size), true
}

// Part says what the bytes from up to to of a row are made of: whether its id is
// needed, and which components, from the index first up to last.
func (l *Layout) Part(from, to int) (id bool, first, last int) {
	id = l.hasID && from < l.head
	if l.cell > 0 {
		first = l.inHead + min(max(from-l.head, 0)/l.cell, l.cells)
		last = l.inHead + min((max(to-l.head, 0)+l.cell-1)/l.cell, l.cells)
	}
	if from < l.head {
		first, last = 0, max(last, l.inHead)
	}
	return id, min(first, last), last
}

// PutPart writes into p the bytes of a row from the offset from on. Of its vector
// it gets the components that Part names, as little-endian float32.
func (l *Layout) PutPart(p []byte, from int, id uint64, values []byte) {
	var spare [longestPiece]byte
	if from < l.head {
		n := min(l.head-from, len(p))
		if n == l.head {
			l.putHead(p[:n], id, values[:4*l.inHead])
		} else {
			l.putHead(spare[:l.head], id, values[:4*l.inHead])
			copy(p, spare[from:l.head])
		}
		p, from, values = p[n:], from+n, values[4*l.inHead:]
	}
	at := from - l.head
	for len(p) > 0 && at < l.cells*l.cell {
		index, skip := at/l.cell, at%l.cell
		if skip > 0 || len(p) < l.cell {
			l.putCells(spare[:l.cell], index, values[:4])
			n := copy(p, spare[skip:l.cell])
			p, at, values = p[n:], at+n, values[4:]
			continue
		}
		whole := min(len(p)/l.cell, l.cells-index)
		l.putCells(p[:whole*l.cell], index, values[:4*whole])
		p, at, values = p[whole*l.cell:], at+whole*l.cell, values[4*whole:]
	}
	if len(p) > 0 {
		l.putTail(spare[:l.tail])
		copy(p, spare[at-l.cells*l.cell:l.tail])
	}
}

// PutRows fills p with whole rows. Their vectors lie stride bytes apart in rows,
// each with its components as little-endian float32, behind its id if the layout
// shows that.
func (l *Layout) PutRows(p, rows []byte, stride int) {
	width, begin, end := l.RowSize(), 0, 4*(l.inHead+l.cells)
	if l.hasID {
		begin, end = 8, 8+end
	}
	switch {
	case width == 4: // the only row that is faster stored than copied
		for ; len(p) >= width; p = p[width:] {
			binary.LittleEndian.PutUint32(p, binary.LittleEndian.Uint32(rows))
			rows = rows[min(stride, len(rows)):]
		}
		return
	case l.bare:
		for ; len(p) >= width; p = p[width:] {
			copy(p[:width], rows)
			rows = rows[min(stride, len(rows)):]
		}
		return
	}
	for ; len(p) >= width; p = p[width:] {
		var id uint64
		if l.hasID {
			id = binary.LittleEndian.Uint64(rows)
		}
		l.PutPart(p[:width], 0, id, rows[begin:end])
		rows = rows[min(stride, len(rows)):]
	}
}

// longestPiece bounds head, cell and tail, in bytes.
const longestPiece = 64

// FileFormat is the way in which a file shows vectors.
type FileFormat uint8

// The formats of files.
const (
	FileNPY         FileFormat = iota // NumPy's array of float32, a row for each vector
	FileIDs                           // NumPy's array of their ids, uint64
	FileF32                           // rows of little-endian float32 and nothing else
	FileFvecs                         // each row behind its length, an int32
	FileFbin                          // number of rows and dimension, each an uint32, then the rows
	FileSafetensors                   // a header in JSON, then the ids and the rows
	FileJSONL                         // a JSON object for each vector, one a line
	FileCSV                           // id and components with commas between, one a line
)

// fileFormats holds what is said of each format, in the order of the constants.
var fileFormats = [...]struct {
	name    string
	file    string
	layouts func(rows uint64, dimension int) []*Layout
}{
	FileNPY:         {"npy", "vectors.npy", alone(npyLayout)},
	FileIDs:         {"ids", "ids.npy", alone(idsLayout)},
	FileF32:         {"f32", "vectors.f32", alone(rawLayout)},
	FileFvecs:       {"fvecs", "vectors.fvecs", alone(fvecsLayout)},
	FileFbin:        {"fbin", "vectors.fbin", alone(fbinLayout)},
	FileSafetensors: {"safetensors", "vectors.safetensors", safetensorsLayouts},
	FileJSONL:       {"jsonl", "vectors.jsonl", alone(jsonlLayout)},
	FileCSV:         {"csv", "vectors.csv", alone(csvLayout)},
}

// FileFormats lists all formats of files.
func FileFormats() []FileFormat {
	all := make([]FileFormat, len(fileFormats))
	for i := range all {
		all[i] = FileFormat(i)
	}
	return all
}

// String is the format's short name, such as "npy".
func (f FileFormat) String() string { return fileFormats[f].name }

// IsText reports whether people can read a file of the format.
func (f FileFormat) IsText() bool { return f == FileJSONL || f == FileCSV }

// FileName is what a file of the format is called in a folder of its own, such as
// "vectors.npy".
func (f FileFormat) FileName() string { return fileFormats[f].file }

// ParseFileFormat finds a format by its short name.
func ParseFileFormat(name string) (FileFormat, error) {
	for _, f := range FileFormats() {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("format %q is none of npy, ids, f32, fvecs, fbin, safetensors, jsonl, csv", name)
}

// Layouts are those of a file with so many rows of a dimension from 0 to
// MaxDimension: of its parts, each of which shows all rows, one behind the other.
// Without a dimension there are no vectors.
func (f FileFormat) Layouts(rows uint64, dimension int) []*Layout {
	if dimension == 0 {
		rows = 0
	}
	return fileFormats[f].layouts(rows, dimension)
}

// alone is a file of one part.
func alone(layout func(uint64, int) *Layout) func(uint64, int) []*Layout {
	return func(rows uint64, dimension int) []*Layout { return []*Layout{layout(rows, dimension)} }
}

// SizeOf is the length of a file of such parts in bytes; false when one of them has
// none, or when it does not fit in an int64.
func SizeOf(layouts []*Layout) (int64, bool) {
	var all int64
	for _, l := range layouts {
		size, fits := l.Size()
		if !fits || size > math.MaxInt64-all {
			return 0, false
		}
		all += size
	}
	return all, true
}

// rawLayout is that of the components and nothing else.
func rawLayout(rows uint64, dimension int) *Layout {
	return &Layout{rows: rows, cells: dimension, cell: 4, bare: true, putCells: copyCells}
}

func copyCells(p []byte, _ int, values []byte) { copy(p, values) }

// fvecsLayout is that of a file with the dimension before each row.
func fvecsLayout(rows uint64, dimension int) *Layout {
	l := rawLayout(rows, dimension)
	l.head, l.bare = 4, false
	l.putHead = func(p []byte, _ uint64, _ []byte) { binary.LittleEndian.PutUint32(p, uint32(dimension)) }
	return l
}
