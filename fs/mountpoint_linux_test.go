package fs

import (
	"slices"
	"strings"
	"testing"
)

func TestReadMounts(t *testing.T) {
	t.Parallel()
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:39 / /mnt/a\040b rw,nosuid,noexec - fuse.rvffs /srv/my\040vectors rw,user_id=0
41 22 0:40 / /mnt/twice rw - fuse.rvffs one ro
42 41 0:41 / /mnt/twice ro master:2 - tmpfs two rw
damaged line
43 22 0:42 / /mnt/tab\011\134 rw - fuse.rvffs three rw,root
`
	want := []Mounted{
		{"/", "ext4", "/dev/sda1", false, false},
		{"/mnt/a b", "fuse.rvffs", "/srv/my vectors", false, true},
		{"/mnt/twice", "fuse.rvffs", "one", true, false},
		{"/mnt/twice", "tmpfs", "two", true, false},
		{"/mnt/tab\t\\", "fuse.rvffs", "three", false, false},
	}
	got, err := readMounts(strings.NewReader(table))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		point, path string
		want        bool
	}{
		{"/", "/a", true}, {"/mnt", "/mnt", true}, {"/mnt", "/mnt/a", true}, {"/mnt", "/mnt2", false}, {"/mnt", "/", false},
	} {
		if got := (Mounted{Point: test.point}).Holds(test.path); got != test.want {
			t.Errorf("%s in %s: %t", test.path, test.point, got)
		}
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`plain`:        "plain",
		`a\040b`:       "a b",
		`\134\012`:     "\\\n",
		`ends with \`:  `ends with \`,
		`short \04`:    `short \04`,
		`no digits \x`: `no digits \x`,
		`\`:            `\`,
	} {
		if got := unescape(field); got != want {
			t.Errorf("%q becomes %q, want %q", field, got, want)
		}
	}
}
