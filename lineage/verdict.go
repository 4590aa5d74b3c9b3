package lineage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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
	// StatusVerified: a file of the parent's id holds the state that the store came from.
	StatusVerified Status = "verified"
	// StatusAttested: the parent was rewritten since, and its record of the states that
	// it dropped names that one.
	StatusAttested Status = "attested"
	// StatusContinuous: neither state nor record is there, but the parent's audit chain
	// goes on from where it stood then. A program has rewritten it that keeps no record.
	StatusContinuous Status = "continuous"
	// StatusUnmatched: nothing tells. This proves nothing.
	StatusUnmatched Status = "unmatched"
	// StatusTorn: the parent's file lacks its end, or a manifest in it is damaged.
	StatusTorn Status = "parent-torn"
	// StatusUnreadable: there are files of the parent's id, but what they hold cannot
	// be told.
	StatusUnreadable Status = "parent-unreadable"
	// StatusMissing: no file is known that could be the parent.
	StatusMissing Status = "parent-missing"
	// StatusMismatch: the store contradicts itself, or all that could be its parent.
	StatusMismatch Status = "mismatch"
	// StatusCycle: it is its own ancestor.
	StatusCycle Status = "cycle"
	// StatusDepth: its depth contradicts what it says of a parent, or all that could be
	// its parent.
	StatusDepth Status = "wrong-depth"
)

// What else may be wrong with a lineage; see CheckLink.
var (
	// ErrNoState says that a file holds no state of the hash that a store recorded.
	ErrNoState = errors.New("no state in the parent's file has the recorded hash")
	// ErrOtherWay says that it holds one, but not the audit entry that was its newest.
	ErrOtherWay = fmt.Errorf("%w and audit entry: a copy of it that went another way took its place", ErrNoState)
	// ErrRecord says that a store names two parents.
	ErrRecord = errors.New("the record of the derivation names another parent")
	// ErrRecordOwner says that a store holds the record of another's derivation, and none of
	// its own.
	ErrRecordOwner = errors.New("the record of the derivation is another store's")
	// ErrRecordState says that it names two states of one.
	ErrRecordState = errors.New("the record of the derivation names another state of the parent")
	// ErrRecordEpoch says that it names a state by a hash and an epoch of which one is wrong.
	ErrRecordEpoch = errors.New("the record of the derivation contradicts itself")
	// ErrCycle says that stores are each other's ancestors.
	ErrCycle = errors.New("the store is its own ancestor")
	// ErrAlone says that depth and parent contradict each other in one identity.
	ErrAlone = errors.New("depth and parent id contradict each other")
)

// noIdentity is why nothing is known of a store.
const noIdentity = "the file is from before identities were kept"

// PastState is the state of a parent, past or present, that a store was derived from.
type PastState struct {
	Method HashMethod
	Epoch  uint32
	Offset int64 // of the state's manifest, or of the record that names it
}

// Descent is what a store says of the state that it came from.
type Descent struct {
	Hash Hash
	// Recorded says that it is a record of ours which tells that. The hash is then of the
	// format's method, and the parent's epoch is known.
	Recorded bool
	Epoch    uint32
	Audit    Mark // see Origin
}

// History is what a file of the parent's id tells of the state that a store came from. The
// first of these that is so is what counts.
type History struct {
	Held     *PastState // the file holds it; nil when it does not
	Attested *PastState // its record of dropped states names it; nil when none does
	// Elsewhere is the state that has the recorded hash, or the beginning of it that a
	// record of dropped states holds, and another epoch than the recorded one; nil: none.
	Elsewhere *PastState
	Newest    uint32 // epoch of the file's newest state
	// Other says that another state of that epoch is known.
	Other bool
	// Unrecorded says that states are gone of which the file has no record.
	Unrecorded bool
	// Lost says that the state may be one whose manifest was damaged and is gone since, as
	// after a recovery.
	Lost bool
	// Torn is why that state, or the bytes that its hash covers, may be what is damaged in
	// the file, or cut off from it.
	Torn string
	// Continues says that the audit chain holds the entry that was the newest then.
	Continues bool
	// Unfolded says that the file had more ends than were compared with the hash.
	Unfolded bool
}

// Candidate is a file that may be a store's parent, as it was found.
type Candidate struct {
	Name     string
	Identity Identity
	History  History
	Err      error // why it cannot be told
}

// Facts are what a store's lineage is judged by.
type Facts struct {
	Identity Identity
	Known    bool        // whether the store has an identity
	Record   *Record     // the newest of its own derivation; nil without one
	Stray    *Record     // where there is none, the newest of another's that rvffs wrote
	Base     *Base       // what the store, a branch, shows vectors of; nil of others
	Parents  []Candidate // in the order in which they count, as far as they were looked at
	Carriers []string    // all files that may be the parent, in this order
	Unasked  int         // more of them, which are not named
	Cycle    bool        // whether all ways up from the store lead back to it
	Copies   []string    // other files that carry the store's id
}

// Descent is what the store says of where it came from: by its record, if it has one that
// tells, for the hash in the identity of a branch is made anew with each of its commits.
func (f Facts) Descent() Descent {
	if record, origin, ours := f.record(); ours && origin.Start != "" {
		return Descent{Hash: record.ParentHash, Recorded: true, Epoch: record.MutationCount, Audit: origin.Audit}
	}
	return Descent{Hash: f.Identity.ParentHash}
}

// record is that of the store's own derivation, and what its text tells; false when there
// is none.
func (f Facts) record() (record Record, origin Origin, own bool) {
	if f.Record == nil || f.Record.FileID != f.Identity.FileID {
		return Record{}, Origin{}, false
	}
	origin, _ = f.Record.Origin()
	return *f.Record, origin, true
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
	Among          []string   `json:"among,omitempty"`           // the other files of the parent's id, the first of them
	MoreAmong      int        `json:"more_among,omitempty"`      // how many there are beside these
	ParentEpoch    *uint32    `json:"parent_epoch,omitempty"`    // of the state derived from
	ParentManifest *int64     `json:"parent_manifest,omitempty"` // offset of that state's manifest
	Reason         string     `json:"reason,omitempty"`
}

// namedCopies bounds how many copies a verdict names: each of a thousand copies would
// name all others.
const namedCopies = 64

// Judge gives the verdict.
func (f Facts) Judge() Verdict {
	copies, more := firstOf(f.Copies, len(f.Copies))
	return Verdict{Verification: f.verification(), Copies: copies, MoreCopies: more}
}

// noID is what is the matter with a store whose file id is zero.
const noID = "the file id is zero: nobody can name the store, and none can be derived from it"

// verification is verify with what has to be said of the store's own id.
func (f Facts) verification() Verification {
	v := f.verify()
	if f.Known && f.Identity.FileID.IsZero() {
		v.Reason = strings.TrimPrefix(v.Reason+"; "+noID, "; ")
	}
	return v
}

// firstOf are the first files to be named of so many, and how many are not.
func firstOf(files []string, count int) (named []string, more int) {
	first := min(len(files), namedCopies)
	return files[:first:first], count - first
}

func (f Facts) verify() Verification {
	mismatch := func(status Status, err error) Verification { return Verification{Status: status, Reason: err.Error()} }
	switch {
	case !f.Known:
		return Verification{Status: StatusUnknown, Reason: noIdentity}
	case !f.Identity.IsRoot() && f.Identity.FileID == f.Identity.ParentID:
		return mismatch(StatusCycle, CheckLink(f.Identity, f.Identity))
	case f.Identity.IsRoot() && f.Identity.Depth > 0:
		return mismatch(StatusDepth, f.alone())
	case f.Identity.IsRoot() && f.Base != nil:
		return mismatch(StatusMismatch, f.CheckBase())
	case f.Identity.IsRoot():
		return Verification{Status: StatusRoot}
	case f.Cycle:
		return mismatch(StatusCycle, ErrCycle)
	}
	if err := cmp.Or(f.CheckBase(), f.checkRecord(), f.checkBaseHash()); err != nil {
		return mismatch(StatusMismatch, err)
	}
	return f.compare()
}

// alone says how the identity contradicts itself.
func (f Facts) alone() error {
	return fmt.Errorf("%w: depth %d, parent %s", ErrAlone, f.Identity.Depth, f.Identity.ParentID)
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
		found := f.against(candidate)
		if counts := weights[found.Status]; counts > weight {
			result, weight = found, counts
		}
	}
	if result.Status == StatusMissing {
		if !f.Identity.IsConsistent() {
			result.Status, result.Reason = StatusDepth, f.alone().Error()
		}
		return result
	}
	among := slices.DeleteFunc(slices.Clone(f.Carriers), func(file string) bool { return file == result.Parent })
	result.Among, result.MoreAmong = firstOf(among, len(among)+f.Unasked)
	if result.Status == StatusVerified || result.Status == StatusAttested {
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

// weights say which of several candidates counts: the one of the highest.
var weights = map[Status]int{
	StatusVerified: 8, StatusAttested: 7, StatusContinuous: 6, StatusUnmatched: 5, StatusTorn: 4, StatusUnreadable: 3,
	StatusMismatch: 2, StatusDepth: 1, StatusCycle: 1,
}

// Settles reports whether nobody needs to ask others than a candidate: it has lived through
// the state that the store came from, also if that is not in its file any more.
func (f Facts) Settles(candidate Candidate) bool {
	if candidate.Err != nil {
		return false
	}
	switch f.against(candidate).Status {
	case StatusVerified, StatusAttested, StatusContinuous:
		return true
	}
	return false
}

// against is what one candidate alone makes true.
func (f Facts) against(candidate Candidate) Verification {
	say := func(status Status, format string, arguments ...any) Verification {
		return Verification{Status: status, Parent: candidate.Name, Reason: fmt.Sprintf(format, arguments...)}
	}
	link := CheckLink(f.Identity, candidate.Identity)
	switch {
	case candidate.Err != nil:
		return say(StatusUnreadable, "%v", candidate.Err)
	case link != nil && candidate.Identity.ParentID == f.Identity.FileID:
		return say(StatusCycle, "%v: it is its parent's parent", ErrCycle)
	case link != nil:
		return say(StatusDepth, "%v", link)
	}
	descent, history := f.Descent(), candidate.History
	switch {
	case descent.Hash.IsZero():
		return say(StatusUnmatched, "the store records no hash of its parent's state")
	case history.Held != nil:
		found := say(StatusVerified, "")
		found.Method, found.ParentEpoch, found.ParentManifest = history.Held.Method, &history.Held.Epoch, &history.Held.Offset
		return found
	case history.Attested != nil:
		found := say(StatusAttested, "the parent was rewritten since, and its record of the states that it dropped names this one")
		found.Method, found.ParentEpoch = history.Attested.Method, &history.Attested.Epoch
		return found
	}
	if history.Elsewhere != nil {
		return say(StatusMismatch, "%v: epoch %d, and the parent's state of the recorded hash is of epoch %d", ErrRecordEpoch, descent.Epoch, history.Elsewhere.Epoch)
	}
	status, reason := history.absent(descent)
	return say(status, "%s", reason)
}

// absent judges where neither the state nor a record of it is there, and says why.
func (h History) absent(descent Descent) (status Status, reason string) {
	switch {
	case descent.Recorded && h.Newest < descent.Epoch:
		return StatusTorn, fmt.Sprintf("the parent's newest state is of epoch %d, the store came from that of epoch %d: the file lost its end, or an older copy of it is in its place", h.Newest, descent.Epoch)
	case h.Torn != "":
		return StatusTorn, h.Torn
	case h.Lost && h.Continues:
		return StatusContinuous, fmt.Sprintf("the parent's manifest of epoch %d was damaged, and it was recovered, or written to, since; its audit chain goes on from the state that the store came from", descent.Epoch)
	case h.Lost:
		return StatusUnmatched, "a manifest of the parent was damaged, and it was recovered, or written to, since: the state that the store came from may be the one that was lost"
	case h.Continues && h.Other && !h.Unrecorded:
		return StatusMismatch, fmt.Sprintf("the parent's state of epoch %d is not the one that the store came from, but its audit chain is the same: one of the two files was changed", descent.Epoch)
	case h.Continues:
		return StatusContinuous, "the parent was rewritten since by a program that keeps no record of the states that it drops; its audit chain goes on from the state that the store came from"
	case h.Unrecorded:
		return StatusUnmatched, "the parent was rewritten since by a program that keeps no record of the states that it drops, such as the reference runtime's compaction; nothing is known to be damaged"
	case h.Other:
		return StatusUnmatched, fmt.Sprintf("the parent's state of epoch %d is another one: the store came from a copy of it that went another way", descent.Epoch)
	case h.Unfolded:
		return StatusUnmatched, fmt.Sprintf("%v, nor one of the newest %d ends that it had", ErrNoState, MaxDroppedEnds)
	}
	return StatusUnmatched, ErrNoState.Error() + ", although it knows all that it had: the store came from a copy of it that went another way, or the hash was changed"
}

// Damaged reports whether the lineage contradicts itself.
func (v Verification) Damaged() bool {
	return v.Status == StatusMismatch || v.Status == StatusCycle || v.Status == StatusDepth
}

// Remark is what there is to say of the lineage of a store with this identity beside
// the status; "" for nothing.
func (v Verification) Remark(identity Identity) string {
	switch {
	case v.Status == StatusMissing:
		return strings.TrimSuffix(fmt.Sprintf("the parent %s is not among the files; %s", identity.ParentID, v.Reason), "; ")
	case v.Status == StatusUnknown || v.Reason == "" && len(v.Among) == 0:
		return ""
	case v.Parent == "":
		return v.Reason
	}
	text := "parent " + v.Parent
	if len(v.Among) > 0 {
		text += ", chosen among others of its id: " + list(v.Among, v.MoreAmong)
	}
	if v.Reason != "" {
		text += ": " + v.Reason
	}
	return text
}

// list names files, and how many more there are.
func list(files []string, more int) string {
	text := strings.Join(files, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more files", more)
	}
	return text
}

// CopiesRemark is what there is to say of other files of the same id; "" when there are
// none.
func (v Verdict) CopiesRemark() string {
	if len(v.Copies) == 0 {
		return ""
	}
	return "the same id is carried by " + list(v.Copies, v.MoreCopies)
}
