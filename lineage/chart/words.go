package chart

import (
	"fmt"
	"strings"
	"unicode"

	"rvffs/lineage"
)

// Printable is a name without what a terminal or a program would not take for a letter.
func Printable(name string) string {
	if strings.IndexFunc(name, hidden) < 0 {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

// shortened is a name of so many letters at most.
func shortened(name string, most int) string {
	letters := []rune(name)
	if len(letters) <= most {
		return name
	}
	return "…" + string(letters[len(letters)-most+1:])
}

// lacking is said of a branch that lacks what it shows of its parent's.
const lacking = "vectors that it inherits cannot be read"

// unlisted is said of a branch that stands in no list of its parent's.
const unlisted = "its parent does not list it (rvffs verify tells more)"

// details are what there is to say of a store's lineage behind its verdict: how it was
// judged, how and when it was derived.
func details(a lineage.Account) string {
	var said []string
	if a.Lacks {
		said = append(said, lacking)
	}
	if a.Unlisted {
		said = append(said, unlisted)
	}
	v := a.Verification
	if v.ParentEpoch != nil {
		said = append(said, fmt.Sprintf("epoch %d by %s", *v.ParentEpoch, v.Method))
	}
	if a.Derivation != "" {
		said = append(said, kindOf(a), a.Derived)
	}
	if v.Status == lineage.StatusMissing {
		said = append(said, "parent "+a.ParentID)
	}
	if v.Reason != "" && v.Status != lineage.StatusAttested { // whose word says it all
		said = append(said, Printable(v.Reason))
	}
	return strings.Join(said, "; ")
}

// grade says how good a verdict is.
type grade int

const (
	good   grade = iota
	middle       // nothing is known to be wrong
	bad
)

func gradeOf(a lineage.Account) grade {
	if a.Bad() {
		return bad
	}
	switch a.Verification.Status {
	case lineage.StatusRoot, lineage.StatusVerified, lineage.StatusAttested, lineage.StatusContinuous:
		return good
	}
	return middle
}

// kindOf says what a store was derived as: of a branch that it is one.
func kindOf(a lineage.Account) string {
	if a.Start == lineage.StartBranch && a.Derivation != "" && a.Derivation != string(lineage.StartBranch) {
		return a.Derivation + ", a branch"
	}
	return a.Derivation
}
