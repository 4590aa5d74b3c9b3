package lineage

// End says in a word where the way up from a store ends. Where the last store names no
// parent that was found, it is that one's verdict.
type End string

// Ends of ways that lead on.
const (
	// EndCycle: the next store is one of those below it, or its own ancestor.
	EndCycle = End(StatusCycle)
	// EndDeep: there are more generations than are told of.
	EndDeep End = "too-deep"
	// EndMissing: the next file is gone since it was found.
	EndMissing = End(StatusMissing)
	// EndUnreadable: the next file cannot be read.
	EndUnreadable = End(StatusUnreadable)
	// EndNotPermitted: the one who asks may not read it.
	EndNotPermitted = End(StatusHidden)
)

// MaxGenerations bounds how many stores an ancestry tells of.
const MaxGenerations = 1024

// Ancestry is the way from a store up to its root, each step of it judged.
type Ancestry struct {
	Ancestors int       `json:"ancestors"` // how many there are in the chain besides the store
	End       End       `json:"end"`
	Weakest   Status    `json:"weakest"` // the verdict of the chain that says least
	Chain     []Account `json:"chain"`   // the store, its parent, and so on
}

// Climb finds the ancestry of a store. Above gives the account of the next file, or says
// why there is none.
func Climb(store Account, above func(file string) (Account, End)) Ancestry {
	a := Ancestry{Weakest: StatusRoot}
	seen := map[string]bool{}
	for a.End == "" {
		a.Chain = append(a.Chain, store)
		seen[store.File] = true
		if strength[store.Verification.Status] < strength[a.Weakest] {
			a.Weakest = store.Verification.Status
		}
		switch parent := store.Verification.Parent; {
		case store.Verification.Status == StatusCycle:
			a.End = EndCycle
		case parent == "":
			a.End = End(store.Verification.Status)
		case seen[parent]:
			a.End = EndCycle
		case len(a.Chain) == MaxGenerations:
			a.End = EndDeep
		default:
			store, a.End = above(parent)
		}
	}
	a.Ancestors = len(a.Chain) - 1
	return a
}

// strength orders the verdicts by how much they say for a lineage.
var strength = map[Status]int{
	StatusRoot: 11, StatusVerified: 10, StatusAttested: 9, StatusContinuous: 8, StatusUnmatched: 7, StatusTorn: 6,
	StatusUnreadable: 5, StatusMissing: 4, StatusUnknown: 3, StatusNoStore: 2, StatusMismatch: 1, StatusDepth: 1, StatusCycle: 1,
}
