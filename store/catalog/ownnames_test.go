package catalog

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
)

func TestOwnNames(t *testing.T) {
	t.Parallel()
	if !slices.IsSortedFunc(ownNames, func(a, b OwnName) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the names are not listed in order")
	}
	for name, own := range map[string]bool{
		"": false, "raw": true, "raw.rvf": false, "RAW": false, "rawer": false, NameAppend: true, NameAppend + ".": true, NameAppend + ".rvf": true,
		NameAppend + "x": false, NameDelete + ".u64": true, "metadata.append.jsonl": true, "metadata": true, "metadata.rvf": false,
		"kernel": true, NameError: true, NameError + ".rvf": false, ".git": true, ControlFolder: true, "child.rvdna": false,
	} {
		if IsOwnName(name) != own {
			t.Errorf("%q is the store's own: %v", name, !own)
		}
	}
}

// What the page in the control folder says of a store's folder stands there.
func TestReadmeNamesWhatStands(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`products\.rvf/([a-z.]+)`).FindAllStringSubmatch(readme, -1)
	if len(names) < 10 {
		t.Fatalf("the page names %d files", len(names))
	}
	for _, match := range names {
		if _, child := lineage.ProfileOfName(match[1]); !child && !slices.ContainsFunc(ShownNames(), func(own OwnName) bool { return own.Name == match[1] }) {
			t.Errorf("the page names %s, which no store shows", match[1])
		}
	}
}
