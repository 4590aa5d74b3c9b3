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
