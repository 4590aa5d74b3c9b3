package lineage

import "time"

// StatusNoStore is in the place of a verdict on a file that cannot be read as a store.
const StatusNoStore Status = "unreadable"

// StatusHidden is in the place of a verdict that is not for the one who asks.
const StatusHidden Status = "not-permitted"

// Account is what is told of one store's lineage, in the files of a mount and by the
// command.
type Account struct {
	File       string `json:"file"`
	FileID     string `json:"file_id,omitempty"`
	ParentID   string `json:"parent_id,omitempty"`
	Depth      uint32 `json:"lineage_depth"`
	Profile    string `json:"profile,omitempty"`
	Derivation string `json:"derivation_type,omitempty"` // by the record of the derivation; empty without one
	Start      Start  `json:"start,omitempty"`           // likewise, what the store began with
	Derived    string `json:"derived,omitempty"`         // likewise, when

	Verification Verification `json:"verification"`
	// Lacks says of a branch that vectors which it inherits cannot be read.
	Lacks bool `json:"inherited_unreadable,omitempty"`
	// Unlisted says of a branch that its parent, in another folder, does not list it.
	Unlisted bool `json:"unlisted,omitempty"`
}

// Account tells a store's lineage in short.
func (f Facts) Account(file string, profile Profile) Account {
	a := Account{File: file, Verification: f.verification()}
	if !f.Known {
		return a
	}
	a.FileID, a.Depth, a.Profile = f.Identity.FileID.String(), f.Identity.Depth, profile.String()
	if !f.Identity.IsRoot() {
		a.ParentID = f.Identity.ParentID.String()
	}
	if record, origin, own := f.record(); own {
		a.Derivation, a.Start = record.TypeWord(), origin.Start
		const second = uint64(time.Second)
		a.Derived = time.Unix(int64(record.Timestamp/second), int64(record.Timestamp%second)).UTC().Format(time.RFC3339)
	}
	return a
}

// NoAccount is that of a file which cannot be read as a store.
func NoAccount(file string, problem error) Account {
	return Account{File: file, Verification: Verification{Status: StatusNoStore, Reason: problem.Error()}}
}

// HiddenAccount is that of a store which the one who asks may not read.
func HiddenAccount(file string) Account {
	return Account{File: file, Verification: Verification{Status: StatusHidden}}
}

// Bad reports whether there is something wrong with the store's lineage, or nothing can be
// told of it because the file cannot be read, or it is a branch that lacks what it inherits.
func (a Account) Bad() bool {
	return a.Lacks || a.Verification.Damaged() || a.Verification.Status == StatusNoStore
}
