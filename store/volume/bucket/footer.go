package bucket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"rvffs/segments"
	"rvffs/store/volume"
)

// footer is what stands in an extent behind the store's bytes: which segments they are, which
// ids the vectors in them have, and a checksum for each block.
type footer struct {
	table  []placed
	ids    []idRun // of all vectors, in the order of their rows
	blocks []blockSum
}

// blockSum is a block of an extent, one behind the other: its end, and its checksum.
type blockSum struct {
	end int64
	sum uint32
}

// length is how many bytes of the store an extent with this footer has.
func (f *footer) length() int64 {
	if len(f.blocks) == 0 {
		return 0
	}
	return f.blocks[len(f.blocks)-1].end
}

// append adds the footer of what comes behind.
func (f *footer) append(behind *footer) {
	at := f.length()
	for _, p := range behind.table {
		f.table = append(f.table, placed{at + p.offset, p.header})
	}
	runs := idRuns{runs: f.ids}
	for _, run := range behind.ids {
		runs.addRun(run)
	}
	f.ids = runs.runs
	for _, b := range behind.blocks {
		f.blocks = append(f.blocks, blockSum{at + b.end, b.sum})
	}
}

// placed is a segment and where it stands in the extent.
type placed struct {
	offset int64
	header [segments.HeaderSize]byte
}

// idRun is ids that follow each other.
type idRun struct{ First, Count uint64 }

// The end of a footer: its length in front of the magic number, and a checksum of all that is
// before them.
const (
	footerMagic = "rvffsx01"
	footerEnd   = 4 + 8 + len(footerMagic)
)

// encode is the footer's bytes: counts and values as unsigned varints.
func (f *footer) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(len(f.table)))
	for _, p := range f.table {
		b = append(binary.AppendUvarint(b, uint64(p.offset)), p.header[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(f.ids)))
	for _, run := range f.ids {
		b = binary.AppendUvarint(binary.AppendUvarint(b, run.First), run.Count)
	}
	b = binary.AppendUvarint(b, uint64(len(f.blocks)))
	at := int64(0)
	for _, block := range f.blocks {
		b = binary.LittleEndian.AppendUint32(binary.AppendUvarint(b, uint64(block.end-at)), block.sum)
		at = block.end
	}
	length := uint64(len(b) + footerEnd)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return append(binary.LittleEndian.AppendUint64(b, length), footerMagic...)
}

var errFooter = fmt.Errorf("%w: the end of the extent is not as it was written", volume.ErrCorrupt)

// parseFooter reads one behind so many bytes of the store.
func parseFooter(b []byte, length int64) (*footer, error) {
	end := len(b) - footerEnd
	if end < 0 || string(b[end+12:]) != footerMagic || binary.LittleEndian.Uint64(b[end+4:]) != uint64(len(b)) ||
		binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[:end], castagnoli) {
		return nil, errFooter
	}
	in := input{b: b[:end]}
	f := &footer{}
	for range in.count(segments.HeaderSize + 1) {
		f.table = append(f.table, placed{int64(in.uvarint()), [segments.HeaderSize]byte(in.take(segments.HeaderSize))})
	}
	for range in.count(2) {
		f.ids = append(f.ids, idRun{in.uvarint(), in.uvarint()})
	}
	at := int64(0)
	for range in.count(5) {
		size := in.uvarint()
		if size == 0 || size > blockSize {
			return nil, errFooter
		}
		at += int64(size)
		f.blocks = append(f.blocks, blockSum{at, binary.LittleEndian.Uint32(in.take(4))})
	}
	if in.err != nil || len(in.b) > 0 || at != length {
		return nil, errors.Join(errFooter, in.err)
	}
	return f, nil
}

// input is bytes that are read; after an error all is zero.
type input struct {
	b   []byte
	err error
}

func (in *input) uvarint() uint64 {
	value, n := binary.Uvarint(in.b)
	if n <= 0 {
		in.err, in.b = errFooter, nil
		return 0
	}
	in.b = in.b[n:]
	return value
}

// count is how many values follow, of so many bytes at least.
func (in *input) count(size int) int {
	count := in.uvarint()
	if count > uint64(len(in.b)/size) {
		in.err, in.b = errFooter, nil
		return 0
	}
	return int(count)
}

func (in *input) take(n int) []byte {
	if len(in.b) < n {
		in.err, in.b = errFooter, nil
		return make([]byte, n)
	}
	taken := in.b[:n]
	in.b = in.b[n:]
	return taken
}

// footerMaker follows the bytes of an extent as they come, but for those of segments'
// headers and fronts, which may come last.
type footerMaker struct {
	footer
	length int64  // so far
	sum    uint32 // of the block that is under way
}

// write follows bytes.
func (m *footerMaker) write(p []byte) {
	for len(p) > 0 {
		part := p[:min(int64(len(p)), blockSize-m.length%blockSize)]
		m.sum = crc32.Update(m.sum, castagnoli, part)
		m.length += int64(len(part))
		if m.length%blockSize == 0 {
			m.blocks = append(m.blocks, blockSum{m.length, m.sum})
			m.sum = 0
		}
		p = p[len(part):]
	}
}

// end is the footer of all that came.
func (m *footerMaker) end() *footer {
	f := m.footer
	f.blocks = slices.Clone(f.blocks)
	if m.length%blockSize != 0 {
		f.blocks = append(f.blocks, blockSum{m.length, m.sum})
	}
	return &f
}

// idRuns follows the ids of a VEC segment's rows.
type idRuns struct {
	runs []idRun
	row  int64 // bytes of one
	at   int64 // of the body so far
	id   [8]byte
}

// write follows some of the body, which begins with a row.
func (r *idRuns) write(p []byte) {
	for len(p) > 0 {
		within := r.at % r.row
		if within >= int64(len(r.id)) {
			skip := min(int64(len(p)), r.row-within)
			r.at += skip
			p = p[skip:]
			continue
		}
		n := copy(r.id[within:], p)
		r.at += int64(n)
		p = p[n:]
		if r.at%r.row == int64(len(r.id)) || r.row == int64(len(r.id)) && r.at%r.row == 0 {
			r.add(binary.LittleEndian.Uint64(r.id[:]))
		}
	}
}

func (r *idRuns) add(id uint64) { r.addRun(idRun{id, 1}) }

func (r *idRuns) addRun(run idRun) {
	if last := len(r.runs) - 1; last >= 0 && r.runs[last].First+r.runs[last].Count == run.First {
		r.runs[last].Count += run.Count
		return
	}
	r.runs = append(r.runs, run)
}
