package lineage

import (
	"fmt"
	"strings"
	"testing"
)

// told is the account of a file, of which another is the parent.
func told(file, parent string, status Status) Account {
	return Account{File: file, Verification: Verification{Status: status, Parent: parent}}
}

func TestClimb(t *testing.T) {
	t.Parallel()
	chain := func(generations int) map[string]Account {
		files := map[string]Account{"0": told("0", "", StatusRoot)}
		for i := 1; i <= generations; i++ {
			files[fmt.Sprint(i)] = told(fmt.Sprint(i), fmt.Sprint(i-1), StatusVerified)
		}
		return files
	}
	for name, test := range map[string]struct {
		files     map[string]Account
		from      string
		ancestors int
		end       End
		weakest   Status
	}{
		"a root":           {chain(0), "0", 0, "root", StatusRoot},
		"one generation":   {chain(1), "1", 1, "root", StatusVerified},
		"two":              {chain(2), "2", 2, "root", StatusVerified},
		"ten":              {chain(10), "10", 10, "root", StatusVerified},
		"a thousand":       {chain(1000), "1000", 1000, "root", StatusVerified},
		"too many":         {chain(2000), "2000", MaxGenerations - 1, EndDeep, StatusVerified},
		"missing":          {map[string]Account{"a": told("a", "", StatusMissing)}, "a", 0, "parent-missing", StatusMissing},
		"gone":             {map[string]Account{"a": told("a", "b", StatusAttested)}, "a", 0, EndMissing, StatusAttested},
		"its own parent":   {map[string]Account{"a": told("a", "", StatusCycle)}, "a", 0, EndCycle, StatusCycle},
		"two in a circle":  {map[string]Account{"a": told("a", "b", StatusUnmatched), "b": told("b", "a", StatusVerified)}, "a", 1, EndCycle, StatusUnmatched},
		"below a circle":   {map[string]Account{"a": told("a", "b", StatusVerified), "b": told("b", "c", StatusCycle)}, "a", 1, EndCycle, StatusCycle},
		"a wrong depth":    {map[string]Account{"a": told("a", "b", StatusDepth), "b": told("b", "", StatusRoot)}, "a", 1, "root", StatusDepth},
		"two parents":      {map[string]Account{"a": told("a", "", StatusMismatch)}, "a", 0, "mismatch", StatusMismatch},
		"without identity": {map[string]Account{"a": told("a", "b", StatusVerified), "b": told("b", "", StatusUnknown)}, "a", 1, "unknown", StatusUnknown},
	} {
		got := Climb(test.files[test.from], func(file string) (Account, End) {
			if account, there := test.files[file]; there {
				return account, ""
			}
			return Account{}, EndMissing
		})
		if got.Ancestors != test.ancestors || len(got.Chain) != test.ancestors+1 || got.End != test.end || got.Weakest != test.weakest {
			t.Errorf("%s: %d ancestors, end %s, weakest %s", name, got.Ancestors, got.End, got.Weakest)
		}
	}
}

// drawing is a pedigree in a line: each store behind its level.
func drawing(p Pedigree) string {
	var rows []string
	for _, store := range p.Stores {
		last := ""
		if store.Last {
			last = "."
		}
		rows = append(rows, fmt.Sprint(store.Level, store.File, last))
	}
	return strings.Join(rows, " ")
}

func TestArrange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		accounts []Account
		want     string
		bad      int
	}{
		"nothing": {nil, "", 0},
		"brothers and generations": {
			[]Account{told("d", "a", StatusVerified), told("c", "b", StatusAttested), told("b", "a", StatusVerified), told("a", "", StatusRoot), told("e", "", StatusMissing)},
			"0a 1b 2c. 1d. 0e.", 0,
		},
		"a parent elsewhere": {[]Account{told("b", "gone", StatusVerified)}, "0b.", 0},
		"a circle, and who hangs on it": {
			[]Account{told("a", "b", StatusCycle), told("b", "a", StatusCycle), told("c", "a", StatusVerified)}, "0a 1c. 0b.", 2,
		},
		"a circle that no verdict names": {
			[]Account{told("a", "c", StatusUnmatched), told("b", "a", StatusUnmatched), told("c", "b", StatusUnmatched), told("d", "c", StatusVerified)}, "0a 0b 0c. 1d.", 0,
		},
		"its own parent": {[]Account{told("a", "a", StatusUnmatched)}, "0a.", 0},
		"all that is bad": {
			[]Account{told("a", "", StatusMismatch), told("b", "", StatusDepth), told("c", "", StatusCycle), told("d", "", StatusNoStore), told("e", "", StatusTorn)},
			"0a 0b 0c 0d 0e.", 4,
		},
	} {
		got := Arrange(test.accounts)
		if drawing(got) != test.want || got.Bad != test.bad {
			t.Errorf("%s: %s with %d bad ones, want %s with %d", name, drawing(got), got.Bad, test.want, test.bad)
		}
		for _, store := range got.Stores {
			if store.Parent >= 0 && (got.Stores[store.Parent].File != store.Verification.Parent || got.Stores[store.Parent].Level != store.Level-1) {
				t.Errorf("%s: %s stands below %s", name, store.File, got.Stores[store.Parent].File)
			}
		}
	}
}
