package volume

// Identity tells a file or a folder apart from the others that its volume has at the same
// moment, whatever their names are. What it is made of is the volume's business; the zero
// Identity is that of nothing.
type Identity struct{ place, number uint64 }

// NewIdentity makes an identity of what a volume knows a thing by: where it is kept, and
// its number there.
func NewIdentity(place, number uint64) Identity { return Identity{place, number} }

// Incarnation tells things apart that have one identity after each other. It says nothing
// where it was not found out.
type Incarnation struct {
	born   int64
	handle uint64
}

// NewIncarnation makes one of what is known: when the thing was made, in nanoseconds
// since 1970, and a number that no other with its identity has. 0 stands for what is not.
func NewIncarnation(born int64, handle uint64) Incarnation { return Incarnation{born, handle} }

// Born is when the thing was made, in nanoseconds since 1970; 0 where that is not known.
func (i Incarnation) Born() int64 { return i.born }

// WithHandle is the incarnation with another number.
func (i Incarnation) WithHandle(handle uint64) Incarnation {
	i.handle = handle
	return i
}

// contradicts reports whether the two are certainly not one.
func (i Incarnation) contradicts(other Incarnation) bool {
	return i.born != other.born && i.born != 0 && other.born != 0 ||
		i.handle != other.handle && i.handle != 0 && other.handle != 0
}
