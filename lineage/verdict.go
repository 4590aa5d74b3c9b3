package lineage

import (
	"errors"
	"fmt"
	"strings"
)

// Status is the verdict on what a store says of its parent, in one word.
type Status string

// The verdicts.
const (
	// StatusUnknown: the store says nothing of itself.
	StatusUnknown Status = "unknown"
	// StatusRoot: it was derived from none.
	StatusRoot Status = "root"
	// StatusVerified: a file of the parent's id holds the state of the recorded hash.
	StatusVerified Status = "verified"
	// StatusUnmatched: the parent's file holds no state of that hash, as after a
	// compaction. This proves nothing.
	StatusUnmatched Status = "unmatched"
	// StatusUnreadable: there are files of the parent's id, but what they hold cannot
	// be told.
	StatusUnreadable Status = "parent-unreadable"
	// StatusMissing: no file is known that could be the parent.
	StatusMissing Status = "parent-missing"
	// StatusMismatch: the store contradicts itself, or all that could be its parent.
	StatusMismatch Status = "mismatch"
)

// What else may be wrong with a lineage; see CheckLink.
var (
	// ErrNoState says that nothing tells which state of a parent a store came from.
	ErrNoState = errors.New("no state in the parent's file has the recorded hash")
	// ErrRecord says that a store names two parents.
	ErrRecord = errors.New("the record of the derivation names another parent")
)

// noIdentity is why nothing is known of a store.
const noIdentity = "the file is from before identities were kept"

// PastState is the state of a parent, past or present, that a store was derived from.
type PastState struct {
	Method HashMethod
	Epoch  uint32
	Offset int64 // of the state's manifest
}

// Candidate is a file that may be a store's parent, as it was found.
type Candidate struct {
	Name     string
	Identity Identity
	State    *PastState // the one of the recorded hash; nil when the file holds none
	Err      error      // why it cannot be told
}

// Facts are what a store's lineage is judged by.
type Facts struct {
	Identity Identity
	Known    bool        // whether the store has an identity
	Record   *Record     // the newest of its own derivation; nil without one
	Parents  []Candidate // in the order in which they count
	Unasked  int         // candidates at which nobody looked
	Copies   []string    // other files that carry the store's id
}

// Verdict is what is true of a store's lineage, in the words that users read.
type Verdict struct {
	Verification Verification `json:"verification"`
	Copies       []string     `json:"copies,omitempty"`      // other files that carry the same id, the first of them
	MoreCopies   int          `json:"more_copies,omitempty"` // how many there are beside these
}

// Verification tells how the store's word about its parent was checked.
type Verification struct {
	Status         Status     `json:"status"`
	Method         HashMethod `json:"method,omitempty"`          // of the parent hash
	Parent         string     `json:"parent,omitempty"`          // its file
	ParentEpoch    *uint32    `json:"parent_epoch,omitempty"`    // of the state derived from
	ParentManifest *int64     `json:"parent_manifest,omitempty"` // offset of that state's manifest
	Reason         string     `json:"reason,omitempty"`
}

// namedCopies bounds how many copies a verdict names: each of a thousand copies would
// name all others.
const namedCopies = 64

// Judge gives the verdict.
func (f Facts) Judge() Verdict {
	named := min(len(f.Copies), namedCopies)
	return Verdict{Verification: f.verify(), Copies: f.Copies[:named:named], MoreCopies: len(f.Copies) - named}
}

func (f Facts) verify() Verification {
	switch {
	case !f.Known:
		return Verification{Status: StatusUnknown, Reason: noIdentity}
	case f.Identity.IsRoot():
		return Verification{Status: StatusRoot}
	case f.Identity.FileID == f.Identity.ParentID:
		return Verification{Status: StatusMismatch, Reason: CheckLink(f.Identity, f.Identity).Error()}
	case f.Record != nil && f.Record.FileID == f.Identity.FileID && f.Record.ParentID != f.Identity.ParentID:
		return Verification{
			Status: StatusMismatch,
			Reason: fmt.Errorf("%w: %s, the identity names %s", ErrRecord, f.Record.ParentID, f.Identity.ParentID).Error(),
		}
	}
	return f.compare()
}

// compare judges by those that may be the parent. Several may carry its id, as copies
// do: one that holds the state is enough, and one that may have lost it, or cannot be
// read, leaves open what the others contradict.
func (f Facts) compare() Verification {
	result, weight, others := Verification{Status: StatusMissing}, 0, -1
	for _, candidate := range f.Parents {
		if candidate.Err == nil && candidate.Identity.FileID != f.Identity.ParentID {
			continue // another store has taken the file's place
		}
		others++
		if found, counts := f.against(candidate); counts > weight {
			result, weight = found, counts
		}
	}
	if result.Status == StatusVerified || result.Status == StatusMissing {
		return result
	}
	if others > 0 {
		result.Reason += fmt.Sprintf("; %d more files of the parent's id do not verify it", others)
	}
	if f.Unasked > 0 {
		result.Reason += fmt.Sprintf("; %d more files of the parent's id were not compared", f.Unasked)
	}
	return result
}

// against is what one candidate alone makes true, and how much that counts.
func (f Facts) against(candidate Candidate) (found Verification, weight int) {
	found.Parent = candidate.Name
	link := CheckLink(f.Identity, candidate.Identity)
	switch {
	case candidate.Err != nil:
		found.Status, found.Reason = StatusUnreadable, candidate.Err.Error()
		return found, 2
	case link != nil:
		found.Status, found.Reason = StatusMismatch, link.Error()
		return found, 1
	case candidate.State == nil || f.Identity.ParentHash.IsZero():
		found.Status, found.Reason = StatusUnmatched, ErrNoState.Error()
		return found, 3
	}
	found.Status, found.Method = StatusVerified, candidate.State.Method
	found.ParentEpoch, found.ParentManifest = &candidate.State.Epoch, &candidate.State.Offset
	return found, 4
}

// Damaged reports whether the lineage contradicts itself.
func (v Verification) Damaged() bool { return v.Status == StatusMismatch }

// Remark is what there is to say of the lineage of a store with this identity beside
// the status; "" for nothing.
func (v Verification) Remark(identity Identity) string {
	switch {
	case v.Status == StatusMissing:
		return fmt.Sprintf("the parent %s is not among the files", identity.ParentID)
	case v.Status == StatusUnknown || v.Reason == "":
		return ""
	case v.Parent == "":
		return v.Reason
	}
	return fmt.Sprintf("parent %s: %s", v.Parent, v.Reason)
}

// CopiesRemark is what there is to say of other files of the same id; "" when there are
// none.
func (v Verdict) CopiesRemark() string {
	if len(v.Copies) == 0 {
		return ""
	}
	text := "the same id is carried by " + strings.Join(v.Copies, ", ")
	if v.MoreCopies > 0 {
		text += fmt.Sprintf(" and %d more files", v.MoreCopies)
	}
	return text
}
