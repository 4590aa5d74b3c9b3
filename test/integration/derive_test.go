package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rvffs/segments"
	"rvffs/test/integration/peer"
	"rvffs/test/integration/rawfile"
)

// records counts the records of derivations that a file holds, named or not.
func records(t *testing.T, path string) (count int) {
	t.Helper()
	content := readFile(t, path)
	walker := segments.NewWalker(strings.NewReader(string(content)), 0, int64(len(content)))
	for walker.Next() {
		s := walker.Segment()
		if s.Type != segments.TypeWitness {
			continue
		}
		witness, err := segments.ParseWitness(content[s.PayloadOffset():s.End()])
		if err == nil && witness.Kind == segments.WitnessLineage {
			count++
		}
	}
	return count
}

// TestDeriveCopies makes full children by the command, beside a file and through a mount, and
// by mkdir, and lets the reference runtime read them.
func TestDeriveCopies(t *testing.T) {
	t.Parallel()
	process := peer.Start(t)
	m := serve(t, t.TempDir(), "--derive", "copy", "--derive-type", "snapshot")
	parent := m.backing("parent.rvf")
	run(t, program, "create", parent, "--dimension", "3")
	want := numbered(0, randomRows(1, 50, 3))
	demand(t, "write vectors", os.WriteFile(filepath.Join(m.Dir, "all.jsonl"), want.jsonLines(t), 0o600))
	run(t, program, "import", parent, filepath.Join(m.Dir, "all.jsonl"))
	run(t, program, "delete", parent, "7", "8")
	want.remove(7, 8)
	soon(t, m, "parent.rvf")

	run(t, program, "derive", "--copy", parent, m.backing("full.rvf"))
	run(t, program, "derive", "--copy", m.path("parent.rvf"), m.path("mounted.rvf"))
	if err := os.Mkdir(m.path("parent.rvf", "made.rvf"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, child := range []string{"full.rvf", "mounted.rvf", "made.rvf"} {
		soon(t, m, child)
		agree(t, child, process, m, child, want)
		if got := try(t, program, "verify", m.backing(child)); got.code != 0 || !strings.Contains(got.stdout, "lineage verified") {
			t.Errorf("%s: %+v", child, got)
		}
	}
	if got := strings.TrimSpace(run(t, "getfattr", "--only-values", "-n", "user.rvf.derivation_type", m.path("parent.rvf", "made.rvf"))); got != "snapshot" {
		t.Errorf("mkdir under --derive-type=snapshot makes a %s", got)
	}
	for form, list := range map[string]string{
		"ids.txt": "3\n9 12,4000\n", "ids.json": "[3, 9, 12, 4000]", "ids.jsonl": "{\"id\":3}\n{\"id\":9}\n{\"id\":12}\n{\"id\":4000}\n",
		"ids.u64": "\x03\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\xa0\x0f\x00\x00\x00\x00\x00\x00",
	} {
		demand(t, "write a list", os.WriteFile(filepath.Join(m.Dir, form), []byte(list), 0o600))
		child := m.backing(form + ".rvf")
		told := run(t, program, "derive", "--type", "filter", "--ids", filepath.Join(m.Dir, form), parent, child)
		if !strings.Contains(told, "3 vectors, 1 ids without a vector") {
			t.Errorf("%s: it tells %s", form, told)
		}
		if err := fileHolds(child, model{3: want[3], 9: want[9], 12: want[12]}); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
	demand(t, "write a list", os.WriteFile(filepath.Join(m.Dir, "noise"), []byte("\x00\xff\x80 no ids at all\x00\x01\x02\x03"), 0o600))
	if got := try(t, program, "derive", "--ids", filepath.Join(m.Dir, "noise"), parent, m.backing("noise.rvf")); got.code == 0 {
		t.Errorf("what is no list of ids is taken: %+v", got)
	}
	if _, err := os.Stat(m.backing("noise.rvf")); err == nil {
		t.Error("a store is made of what is no list of ids")
	}
}

// TestDerivationTypes: each type is recorded by the command, the mount and the attribute, the
// newest record counts, and all of them are one audit chain.
func TestDerivationTypes(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"parent.rvf": rawfile.NewBuilder("types", 3).Bytes}), "--derive-type", "merge")
	shown := func(path string) string {
		return strings.TrimSpace(run(t, "getfattr", "--only-values", "-n", "user.rvf.derivation_type", path))
	}
	child := m.path("parent.rvf", "child.rvf")
	demand(t, "derive", os.Mkdir(child, 0o755))
	if got := shown(child); got != "merge" {
		t.Errorf("mkdir under --derive-type=merge makes a %s", got)
	}
	types := []string{"clone", "filter", "merge", "quantize", "reindex", "transform", "snapshot", "user_defined"}
	for at, kind := range types {
		run(t, "setfattr", "-n", "user.rvf.derivation_type", "-v", kind, child)
		if got := shown(child); got != kind {
			t.Errorf("after setfattr %s it is %s", kind, got)
		}
		if got := records(t, m.backing("child.rvf")); got != at+2 {
			t.Errorf("after %d records there are %d", at+2, got)
		}
		name := "by-" + strings.ReplaceAll(kind, "_", "-") + ".rvf"
		run(t, program, "derive", "--type", kind, m.backing("parent.rvf"), m.backing(name))
		soon(t, m, name)
		if got := shown(m.path("parent.rvf", name)); got != kind {
			t.Errorf("derive --type %s makes a %s", kind, got)
		}
	}
	check := func() {
		t.Helper()
		if got := try(t, program, "verify", m.backing("child.rvf")); got.code != 0 || !strings.Contains(got.stdout, "lineage verified") {
			t.Errorf("%+v", got)
		}
		if text := string(readFile(t, filepath.Join(child, "witness.jsonl"))); strings.Contains(text, "broken") {
			t.Errorf("the audit chain says %s", text)
		}
	}
	check()
	run(t, program, "compact", m.backing("child.rvf"))
	check()
	if got := shown(child); got != "user_defined" {
		t.Errorf("after a compaction it is %s", got)
	}
	// The type stays what it was once there are vectors.
	if err := pour(filepath.Join(child, "vectors.append"), model{1: {1, 2, 3}}.jsonLines(t)); err != nil {
		t.Fatal(err)
	}
	if got := try(t, "setfattr", "-n", "user.rvf.derivation_type", "-v", "clone", child); got.code == 0 {
		t.Error("the type of a store with vectors can be changed")
	}
}

// TestProfilesGoByExtension: what a store is for is said by its name, from mkdir on and after
// each mv; a name without any extension takes the parent's.
func TestProfilesGoByExtension(t *testing.T) {
	t.Parallel()
	m := serve(t, folder(t, map[string][]byte{"parent.rvgraph": rawfile.NewBuilder("profiles", 3).Bytes}))
	shown := func(name string) string {
		return strings.TrimSpace(run(t, "jq", "-r", ".profile", m.path("parent.rvgraph", name, "identity.json")))
	}
	demand(t, "derive", os.Mkdir(m.path("parent.rvgraph", "child.rvdna"), 0o755))
	demand(t, "derive", os.Mkdir(m.path("parent.rvgraph", "plain"), 0o755))
	if got := shown("plain"); got != shown("../parent.rvgraph") {
		t.Errorf("a child without an extension is for %s", got)
	}
	profiles := map[string]bool{shown("child.rvdna"): true}
	run(t, "mv", m.path("parent.rvgraph", "child.rvdna"), m.path("parent.rvgraph", "child.rvtext"))
	profiles[shown("child.rvtext")] = true
	run(t, "mv", m.backing("child.rvtext"), m.backing("child.rvvis"))
	eventually(t, "the new name is shown", func() error {
		_, err := os.Stat(m.path("parent.rvgraph", "child.rvvis"))
		return err
	})
	profiles[shown("child.rvvis")] = true
	if len(profiles) != 3 {
		t.Errorf("under three extensions the store is for %v", profiles)
	}
	if got := run(t, program, "inspect", m.backing("child.rvvis")); !strings.Contains(got, shown("child.rvvis")) {
		t.Errorf("inspect tells another profile: %s", got)
	}
}
