package vecio

import "encoding/binary"

// safetensorsDecoder reads a file of the format safetensors: the length of a header, the
// header in JSON, and the values of the tensors that it names. One tensor holds the
// vectors; another one may hold their ids, and must stand before it, where the format's
// writers put wider values.
type safetensorsDecoder struct {
	arrayBody
	head   []byte // the length, then the header
	need   int    // bytes of head
	parsed bool
	known  *tensor // the ids; nil without
	value  []byte  // the beginning of an id that a chunk's end cut
	idLeft int64   // bytes of ids still to come
	ended  bool    // all values are there
}

const (
	safetensorsLength = 8
	// maxSafetensorsHeader is more than files of two tensors need. Models have longer
	// ones and hold no vectors.
	maxSafetensorsHeader = 1 << 20
)

func newSafetensorsDecoder(s Sink, o Options) *safetensorsDecoder {
	return &safetensorsDecoder{arrayBody: newArrayBody(Safetensors, s, o), need: safetensorsLength}
}

func (d *safetensorsDecoder) Format() Format { return Safetensors }
func (d *safetensorsDecoder) Settle() error  { return d.failed }
func (d *safetensorsDecoder) EndLine() error { return d.failed }

// Committable reports whether nothing has come: a file that is longer than its header
// says is refused whole, and that is known at its end.
func (d *safetensorsDecoder) Committable() bool { return d.position == 0 }

// Unfinished counts from the stream's first byte until all values are there.
func (d *safetensorsDecoder) Unfinished() int64 {
	if d.ended {
		return 0
	}
	return d.position
}

func (d *safetensorsDecoder) Write(p []byte) (int, error) {
	if d.failed == nil {
		d.failed = d.decode(p)
	}
	if d.failed != nil {
		return 0, d.failed
	}
	return len(p), nil
}

func (d *safetensorsDecoder) Finish() error {
	switch {
	case d.failed != nil || d.Unfinished() == 0:
	case d.inside:
		d.failed = d.tooShort()
	case d.parsed:
		d.failed = d.failHeader("the stream ends within the ids, %d bytes too early", d.idLeft)
	default:
		d.failed = d.failHeader("the stream ends inside the header")
	}
	return d.failed
}

func (d *safetensorsDecoder) decode(p []byte) error {
	for len(p) > 0 {
		taken := 0
		var err error
		switch {
		case d.ended:
			return d.fail(d.array.rows, "more bytes than the header tells")
		case !d.parsed:
			taken, err = d.header(p)
		case d.idLeft > 0:
			taken, err = d.takeIDs(p)
		default:
			taken, err = d.takeBody(p)
		}
		if err != nil {
			return err
		}
		p = p[taken:]
		if d.parsed && d.idLeft == 0 && !d.inside && !d.ended {
			if err := d.beginBody(); err != nil {
				return err
			}
			d.ended = !d.inside
		}
		if d.inside && d.left == 0 {
			if err := d.handOnRows(); err != nil {
				return err
			}
			d.inside, d.ended = false, true
		}
	}
	return d.handOnRows()
}

// header takes the next bytes of the header, at most up to its end.
func (d *safetensorsDecoder) header(p []byte) (taken int, err error) {
	taken = min(d.need-len(d.head), len(p))
	d.head = append(d.head, p[:taken]...)
	d.position += int64(taken)
	if len(d.head) < d.need {
		return taken, nil
	}
	if d.need == safetensorsLength {
		length := binary.LittleEndian.Uint64(d.head)
		if length < uint64(len("{}")) || length > maxSafetensorsHeader {
			return taken, d.failHeader("a header of %d bytes; 2 to %d are possible", length, maxSafetensorsHeader)
		}
		d.need += int(length)
		return taken, nil
	}
	vectors, ids, err := parseSafetensors(d.head[safetensorsLength:])
	if err != nil {
		return taken, d.failHeader("%v", err)
	}
	d.parsed, d.known, d.head = true, ids, nil
	d.array = npyArray{element: vectors.element}
	if err := d.array.setShape(vectors.Shape, false); err != nil {
		return taken, d.failHeader("%v", err)
	}
	if ids != nil {
		if ids.rows() != d.array.rows {
			return taken, d.failHeader("%d ids for %d vectors", ids.rows(), d.array.rows)
		}
		d.idLeft = ids.bytes()
	}
	if known := d.knownDimension(); d.array.rows > 0 && known != 0 && known != d.array.dimension {
		return taken, d.wrongDimension(known)
	}
	return taken, nil
}

// takeIDs takes the next bytes of ids, at most up to their end.
func (d *safetensorsDecoder) takeIDs(p []byte) (taken int, err error) {
	size := d.known.width
	for ; taken < len(p) && d.idLeft > 0; taken++ {
		d.value = append(d.value, p[taken])
		d.position++
		d.idLeft--
		if len(d.value) < size {
			continue
		}
		var wide [8]byte
		copy(wide[:], d.value)
		id := binary.LittleEndian.Uint64(wide[:])
		if d.known.signed && d.value[size-1] >= 0x80 {
			return taken, d.failHeader("an id is negative: an id is a whole number from 0 to 18446744073709551615")
		}
		if !d.given.add(id) {
			return taken, d.failHeader("the ids are in no order, and more than are held until their vectors come: write JSON lines or a table, which have each id beside its vector")
		}
		d.value = d.value[:0]
	}
	return taken, nil
}
