package integration

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// attributesOf lists the extended attributes of a path and reads each of them.
func attributesOf(t testing.TB, path string) map[string]string {
	t.Helper()
	names := make([]byte, 1<<12)
	n, err := unix.Listxattr(path, names)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name := range strings.SplitSeq(string(names[:n]), "\x00") {
		if name == "" {
			continue // behind the last
		}
		value := make([]byte, 256)
		n, err := unix.Getxattr(path, name, value)
		if err != nil {
			t.Errorf("%s: %s is listed and cannot be read: %v", path, name, err)
			continue
		}
		found[name] = string(value[:n])
	}
	return found
}

// TestAttributes reads what a store's folder says of itself by attributes, and
// sets the one that can be set.
func TestAttributes(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	parent.Metric = 2
	parent.Manifest()
	child := parent.Child("child")
	m := serve(t, folder(t, map[string][]byte{"parent.rvf": parent.Bytes, "child.rvf": child.Bytes, "broken.rvf": []byte("no store")}))
	has := func(path string, identity *rawfile.Identity, epoch uint32, more map[string]string) {
		t.Helper()
		want := map[string]string{
			"user.rvf.dimension": "3", "user.rvf.metric": "cosine", "user.rvf.epoch": strconv.Itoa(int(epoch)),
			"user.rvf.file_id": identity.FileIDHex(), "user.rvf.parent_id": identity.ParentIDHex(),
			"user.rvf.lineage_depth": strconv.Itoa(int(identity.Depth)),
		}
		maps.Copy(want, more)
		if got := attributesOf(t, m.path(path)); !maps.Equal(got, want) {
			t.Errorf("%s has the attributes %v, want %v", path, got, want)
		}
	}
	has("parent.rvf", parent.Identity, parent.Epoch-1, nil)
	has("child.rvf", child.Identity, child.Epoch-1, nil)
	run(t, "mkdir", m.path("parent.rvf/made.rvdna"))
	made := func() *rawfile.Identity { return must(rawfile.Read(m.backing("made.rvdna")))(t).Newest().Identity }
	has("parent.rvf/made.rvdna", made(), 0, map[string]string{"user.rvf.derivation_type": "clone"})
	if err := unix.Setxattr(m.path("made.rvdna"), "user.rvf.derivation_type", []byte("filter"), 0); err != nil {
		t.Fatal(err)
	}
	has("parent.rvf/made.rvdna", made(), 1, map[string]string{"user.rvf.derivation_type": "filter"})
	if got := attributesOf(t, m.path("broken.rvf")); len(got) != 0 {
		t.Errorf("a file that is no store has the attributes %v", got)
	}

	folder := m.path("parent.rvf/made.rvdna")
	get := func(name string, room int) error {
		_, err := unix.Getxattr(folder, name, make([]byte, room))
		return err
	}
	set := func(path, name, value string, flags int) func() error {
		return func() error { return unix.Setxattr(path, name, []byte(value), flags) }
	}
	for what, test := range map[string]struct {
		do   func() error
		want syscall.Errno
	}{
		"an unknown fact":     {func() error { return get("user.rvf.unknown", 100) }, unix.ENODATA},
		"a foreign attribute": {func() error { return get("user.other", 100) }, unix.ENODATA},
		"too little room":     {func() error { return get("user.rvf.file_id", 31) }, unix.ERANGE},
		"no derivation of a root": {func() error {
			_, err := unix.Getxattr(m.path("parent.rvf"), "user.rvf.derivation_type", make([]byte, 9))
			return err
		}, unix.ENODATA},
		"no such type":              {set(folder, "user.rvf.derivation_type", "clones", 0), unix.EINVAL},
		"a type that is there":      {set(folder, "user.rvf.derivation_type", "merge", unix.XATTR_CREATE), unix.EEXIST},
		"the type of a full store":  {set(m.path("parent.rvf"), "user.rvf.derivation_type", "merge", 0), unix.ENOTEMPTY},
		"a fact that is what it is": {set(folder, "user.rvf.epoch", "7", 0), unix.EPERM},
		"an unknown fact, set":      {set(folder, "user.rvf.unknown", "7", 0), unix.EPERM},
		"a foreign attribute, set":  {set(folder, "user.other", "7", 0), unix.ENOTSUP},
		"a fact, removed":           {func() error { return unix.Removexattr(folder, "user.rvf.derivation_type") }, unix.EPERM},
		"a foreign one, removed":    {func() error { return unix.Removexattr(folder, "user.other") }, unix.ENOTSUP},
	} {
		wantErrno(t, what, test.do(), test.want)
	}
	has("parent.rvf/made.rvdna", made(), 1, map[string]string{"user.rvf.derivation_type": "filter"})

	m.stop()
	m = serve(t, m.Dir, "--read-only")
	for _, name := range []string{"user.rvf.derivation_type", "user.rvf.epoch", "user.other"} {
		wantErrno(t, "set on a read-only mount", unix.Setxattr(m.path("parent.rvf/made.rvdna"), name, []byte("merge"), 0), unix.EROFS)
	}
	if got := attributesOf(t, m.path("parent.rvf/made.rvdna"))["user.rvf.derivation_type"]; got != "filter" {
		t.Errorf("on the next mount the type is %q", got)
	}
}

// verificationView is what identity.json says of how the lineage was checked.
type verificationView struct {
	FileID       string `json:"file_id"`
	Verification struct {
		Status         string  `json:"status"`
		Method         string  `json:"method"`
		Parent         string  `json:"parent"`
		ParentEpoch    *uint32 `json:"parent_epoch"`
		ParentManifest *int    `json:"parent_manifest"`
	} `json:"verification"`
}

// TestVerificationShown has children of every kind in one mount, and changes their
// parent under it.
func TestVerificationShown(t *testing.T) {
	t.Parallel()
	parent := rawfile.NewBuilder("parent", 3).Vec(dimension3).Manifest()
	good := parent.Child("good")
	state := must(rawfile.Parse(parent.Bytes))(t).Newest()
	deep, other, orphan := parent.Child("deep"), parent.Child("other"), rawfile.NewBuilder("absent", 3).Child("orphan")
	deep.Identity.Depth, other.Identity.ParentHash[0] = 5, other.Identity.ParentHash[0]+1
	files := map[string][]byte{
		"parent.rvf": parent.Bytes, "good.rvf": good.Bytes, "orphan.rvf": orphan.Bytes,
		"deep.rvf": deep.Manifest().Bytes, "other.rvf": other.Manifest().Bytes,
	}
	m := serve(t, folder(t, files))
	run(t, "mkdir", m.path("parent.rvf/made.rvf"))
	status := func(name string) (verificationView, error) {
		return decode[verificationView](m.path(name, "identity.json"))
	}
	for name, want := range map[string]string{
		"parent.rvf": "root", "good.rvf": "verified", "made.rvf": "verified", "deep.rvf": "wrong-depth", "other.rvf": "unmatched", "orphan.rvf": "parent-missing",
	} {
		shown := must(status(name))(t).Verification
		if shown.Status != want {
			t.Errorf("%s: %q, want %q", name, shown.Status, want)
		}
		if (shown.ParentEpoch != nil) != (want == "verified") || want == "verified" && (*shown.ParentEpoch != state.Epoch || *shown.ParentManifest != state.Offset) {
			t.Errorf("%s: the parent's state is %v at %v, want %d at %d", name, shown.ParentEpoch, shown.ParentManifest, state.Epoch, state.Offset)
		}
		method := map[string]string{"good.rvf": "fold-tail", "made.rvf": "shake256-manifest"}[name]
		if shown.Method != method {
			t.Errorf("%s: the method is %q, want %q", name, shown.Method, method)
		}
	}
	becomes := func(name, want string) {
		t.Helper()
		eventually(t, name+" is "+want, func() error {
			shown, err := status(name)
			if err == nil && shown.Verification.Status != want {
				err = errors.New(shown.Verification.Status)
			}
			return err
		})
	}
	if err := pour(m.path("parent.rvf/vectors.append"), rawRows([]float32{7, 8, 9})); err != nil {
		t.Fatal(err)
	}
	becomes("good.rvf", "verified")
	engineCompact(t, m.backing("parent.rvf"))
	becomes("good.rvf", "attested")
	becomes("made.rvf", "attested")
	if err := os.Remove(m.backing("parent.rvf")); err != nil {
		t.Fatal(err)
	}
	becomes("good.rvf", "parent-missing")
	arrived := m.backing("arrived")
	if err := errors.Join(os.WriteFile(arrived, bytes.Clone(parent.Bytes), 0o644), os.Rename(arrived, m.backing("parent.rvf"))); err != nil {
		t.Fatal(err)
	}
	becomes("good.rvf", "verified")
	if got := slices.Sorted(maps.Keys(attributesOf(t, m.path("good.rvf")))); len(got) != 6 {
		t.Errorf("a child without a record of its derivation lists %v", got)
	}
}
