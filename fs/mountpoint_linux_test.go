package fs

import (
	"strings"
	"testing"
)

func TestFindMount(t *testing.T) {
	t.Parallel()
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:39 / /mnt/a\040b rw,nosuid,nodev - fuse.rvffs /srv/vectors rw,user_id=0
41 22 0:40 / /mnt/twice rw - fuse.rvffs one rw
42 41 0:41 / /mnt/twice rw master:2 - tmpfs two rw
damaged line
43 22 0:42 / /mnt/tab\011\134 rw - fuse.rvffs three rw
`
	for _, test := range []struct {
		path, kind string
		found      bool
	}{
		{"/", "ext4", true},
		{"/mnt/a b", "fuse.rvffs", true},
		{"/mnt/twice", "tmpfs", true},
		{"/mnt/tab\t\\", "fuse.rvffs", true},
		{"/mnt", "", false},
	} {
		kind, found, err := findMount(strings.NewReader(table), test.path)
		if kind != test.kind || found != test.found || err != nil {
			t.Errorf("at %q is %q, %v, %v; want %q, %v", test.path, kind, found, err, test.kind, test.found)
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
