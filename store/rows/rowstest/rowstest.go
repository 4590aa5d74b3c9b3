package rowstest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"rvffs/store/rows"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// Check compares all files of vectors with what Visit visits.
func Check(of rows.Sources, random *rand.Rand) error {
	ctx := context.Background()
	var ids []uint64
	var vectors []byte
	err := Visit(ctx, of, func(some []uint64, their []byte) error {
		ids, vectors = append(ids, some...), append(vectors, their...)
		return nil
	})
	if err != nil {
		return err
	}
	for _, format := range vecio.FileFormats() {
		view, err := rows.File(ctx, of, format)
		if err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		if err := checkView(view, render(format, of.Dimension(), ids, vectors), random); err != nil {
			return fmt.Errorf("%s of %d vectors: %w", format, len(ids), err)
		}
	}
	width := 4 * of.Dimension()
	for range min(len(ids), 8) {
		i := random.IntN(len(ids))
		for _, format := range []vecio.FileFormat{vecio.FileJSONL, vecio.FileF32} {
			view, err := rows.ByID(ctx, of, ids[i], format)
			if err != nil {
				return fmt.Errorf("vector %d: %w", ids[i], err)
			}
			want := render(format, of.Dimension(), ids[i:i+1], vectors[i*width:(i+1)*width])
			if err := checkView(view, want, random); err != nil {
				return fmt.Errorf("vector %d as %s: %w", ids[i], format, err)
			}
		}
	}
	missing := random.Uint64N(2 * (uint64(len(ids)) + 1))
	for _, id := range append([]uint64{missing, math.MaxUint64}, of.Deleted()...) {
		if slices.Contains(ids, id) {
			continue
		}
		if _, err := rows.ByID(ctx, of, id, vecio.FileF32); !errors.Is(err, volume.ErrNotFound) {
			return fmt.Errorf("vector %d, which is not there: %v", id, err)
		}
	}
	return nil
}

// checkView reads a view whole and in random pieces.
func checkView(view state.View, want []byte, random *rand.Rand) (err error) {
	if view.Size() != int64(len(want)) {
		return fmt.Errorf("%d bytes, want %d", view.Size(), len(want))
	}
	reader, err := view.Open(context.Background())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for piece := range 6 {
		from, length := 0, len(want)
		if piece > 0 && len(want) > 0 {
			from = random.IntN(len(want))
			length = 1 + random.IntN(min(1<<random.IntN(24), 2*len(want)))
		}
		got := bytes.Repeat([]byte{0xaa}, length+1)
		n, err := reader.ReadContext(context.Background(), got[:length], int64(from))
		end := min(from+length, len(want))
		if n != end-from || !bytes.Equal(got[:n], want[from:end]) {
			at := 0
			for at < n && got[at] == want[from+at] {
				at++
			}
			return fmt.Errorf("bytes %d to %d: %d read, %v; the first wrong one is %d", from, end, n, err, from+at)
		}
		if ended := from+length > len(want); ended != errors.Is(err, io.EOF) && len(want) > 0 {
			return fmt.Errorf("bytes %d to %d of %d: %v", from, from+length, len(want), err)
		}
		if got[length] != 0xaa {
			return errors.New("bytes behind the buffer were written")
		}
	}
	if n, err := reader.ReadContext(context.Background(), make([]byte, 1), int64(len(want))); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("behind the end: %d, %v", n, err)
	}
	return nil
}

// render writes a file of vectors in the plainest way.
func render(format vecio.FileFormat, dimension int, ids []uint64, rows []byte) []byte {
	var out bytes.Buffer
	row := func(i int) []byte { return rows[i*4*dimension : (i+1)*4*dimension] }
	value := func(i, c int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(row(i)[4*c:]))) }
	component := func(i, c int) string { return fmt.Sprintf("%15s", strconv.FormatFloat(value(i, c), 'g', -1, 32)) }
	shape := ""
	switch format {
	case vecio.FileNPY:
		shape = fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", len(ids), dimension)
	case vecio.FileIDs:
		shape = fmt.Sprintf("{'descr': '<u8', 'fortran_order': False, 'shape': (%d,), }", len(ids))
	case vecio.FileFbin:
		out.Write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(len(ids))), uint32(dimension)))
	case vecio.FileSafetensors:
		header := fmt.Sprintf(`{"ids":{"dtype":"U64","shape":[%d],"data_offsets":[0,%d]},"vectors":{"dtype":"F32","shape":[%d,%d],"data_offsets":[%d,%d]}}`,
			len(ids), 8*len(ids), len(ids), dimension, 8*len(ids), 8*len(ids)+len(rows))
		for len(header)%8 != 0 {
			header += " "
		}
		out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(header))))
		out.WriteString(header)
		for _, id := range ids {
			out.Write(binary.LittleEndian.AppendUint64(nil, id))
		}
	case vecio.FileCSV:
		out.WriteString("id")
		for c := range dimension {
			fmt.Fprintf(&out, ",v%d", c)
		}
		out.WriteByte('\n')
	}
	if shape != "" {
		for (10+len(shape)+1)%64 != 0 {
			shape += " "
		}
		fmt.Fprintf(&out, "\x93NUMPY\x01\x00%c%c%s\n", (len(shape)+1)%256, (len(shape)+1)/256, shape)
	}
	for i, id := range ids {
		switch format {
		case vecio.FileNPY, vecio.FileF32, vecio.FileFbin, vecio.FileSafetensors:
			out.Write(row(i))
		case vecio.FileIDs:
			out.Write(binary.LittleEndian.AppendUint64(nil, id))
		case vecio.FileFvecs:
			out.Write(binary.LittleEndian.AppendUint32(nil, uint32(dimension)))
			out.Write(row(i))
		case vecio.FileJSONL:
			fmt.Fprintf(&out, `{"id":%20d,"vector":[`, id)
			for c := range dimension {
				if c > 0 {
					out.WriteByte(',')
				}
				out.WriteString(component(i, c))
			}
			out.WriteString("]}\n")
		case vecio.FileCSV:
			text := strconv.FormatUint(id, 10)
			out.WriteString(text)
			for c := range dimension {
				width := 15
				if c == 0 {
					width += 20 - len(text)
				}
				out.WriteString("," + fullNumber(value(i, c), width))
			}
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// fullNumber writes a value with as many digits as make a text of this width: without
// an exponent from 0.0001 up to what has twelve digits before the point.
func fullNumber(value float64, width int) string {
	form, digits := byte('f'), width-2
	switch magnitude := math.Abs(value); {
	case value != 0 && (magnitude < 0.0001 || magnitude >= 1e12):
		form, digits = 'e', width-6
	case magnitude >= 10:
		digits -= int(math.Log10(magnitude))
	}
	if math.Signbit(value) {
		digits--
	}
	return strconv.FormatFloat(value, form, digits, 64)
}
