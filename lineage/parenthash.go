package lineage

// TailSize is how many of a parent file's last bytes the reference runtime
// folds into a parent hash, at most.
const TailSize = 65536

// HashMethod names the way in which a parent hash was made.
type HashMethod string

// The two ways in use: the one that the format prescribes and the one that
// the reference runtime practises.
const (
	HashShakeManifest HashMethod = "shake256-manifest"
	HashFoldTail      HashMethod = "fold-tail"
)

// ParentState holds what a parent hash may have been taken over, for one
// state that the parent's file was in.
type ParentState struct {
	Manifest []byte // payload of the manifest
	Tail     []byte // last bytes of the file as it ended then, at most TailSize
}

// Match is MatchParentHash for the bytes of s.
func (s ParentState) Match(want Hash) (HashMethod, bool) {
	return MatchParentHash(want, s.Manifest, s.Tail)
}

// MatchParentHash reports which method makes want out of one state of the
// parent: SHAKE-256 of its manifest's payload or the fold of the file's last
// bytes. Only the last TailSize bytes of tail count. An empty slice stands
// for bytes that are not known, and a zero want, which only roots carry,
// matches nothing.
func MatchParentHash(want Hash, manifestPayload, tail []byte) (HashMethod, bool) {
	if want.IsZero() {
		return "", false
	}
	if len(manifestPayload) > 0 && Shake256(manifestPayload) == want {
		return HashShakeManifest, true
	}
	if len(tail) > TailSize {
		tail = tail[len(tail)-TailSize:]
	}
	if len(tail) > 0 && Fold(tail) == want {
		return HashFoldTail, true
	}
	return "", false
}
