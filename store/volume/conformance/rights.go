package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"time"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Callers of the tests, who are nobody else.
const (
	alice = 20001
	bob   = 20002
	team  = 20010
)

func callerOf(uid uint32, groups ...uint32) volume.Caller {
	return volume.Caller{UID: uid, GID: uid, Groups: func() []uint32 { return groups }}
}

// give makes something somebody's.
func give(t *testing.T, in volume.Folder, name string, uid, gid int, mode os.FileMode) {
	t.Helper()
	held, err := in.Hold(t.Context(), name)
	must(t, err)
	must(t, errors.Join(held.Change(t.Context(), volume.AttributeChange{UID: uid, GID: gid, Mode: &mode}), held.Close()))
}

func (p Place) needsCallers(t *testing.T) {
	t.Helper()
	if !p.Callers {
		t.Skip("only root can act for others")
	}
}

func rights(t *testing.T, p Place) {
	p.needsCallers(t)
	ctx := t.Context()
	folder(t, p, "hers", 0o700)
	put(t, filelog.FilesOf(p.Shelf()), "hers/a", "her own")
	folder(t, p, "shared", 0o700)
	put(t, filelog.FilesOf(p.Shelf()), "shared/b", "the team's")
	give(t, p, "hers", alice, alice, 0o700)
	give(t, p, "hers/a", alice, alice, 0o666)
	give(t, p, "shared", alice, team, 0o770|os.ModeSetgid)
	give(t, p, "shared/b", alice, team, 0o640)
	people := map[string]volume.Folder{"alice": p.As(callerOf(alice)), "bob": p.As(callerOf(bob)), "bob of the team": p.As(callerOf(bob, 7, team)), "root": p.As(volume.Caller{})}
	for _, c := range []struct {
		name string
		want volume.Permission
		may  string // of alice, bob, bob of the team
	}{
		{"hers", 0, "yyy"}, {"hers", volume.Search, "ynn"}, {"hers/a", 0, "ynn"}, {"hers/a", volume.Read, "ynn"},
		{"shared", volume.Write | volume.Search, "yny"}, {"shared/b", volume.Read, "yny"}, {"shared/b", volume.Write, "ynn"}, {"shared/b", volume.Read | volume.Write, "ynn"},
	} {
		for i, who := range []string{"alice", "bob", "bob of the team"} {
			var want error
			if c.may[i] == 'n' {
				want = fs.ErrPermission
			}
			_, err := people[who].Allow(ctx, c.name, c.want)
			fails(t, fmt.Sprintf("%s wants %d of %s", who, c.want, c.name), err, want)
			// What is done is judged as what is asked.
			switch {
			case c.name == "hers/a" && c.want == volume.Read, c.name == "shared/b" && c.want == volume.Read:
				file, err := filelog.FilesOf(people[who].Shelf()).Open(c.name, false)
				fails(t, who+" opens "+c.name, err, want)
				if err == nil {
					must(t, file.Close())
				}
			case c.name == "hers" && c.want == volume.Search:
				_, err := people[who].Describe(ctx, "hers/a")
				fails(t, who+" looks into "+c.name, err, want)
			}
		}
		if _, err := people["root"].Allow(ctx, c.name, c.want); err != nil {
			t.Errorf("root wants %d of %s: %v", c.want, c.name, err)
		}
	}
	fails(t, "bob makes a folder in hers", people["bob"].MakeFolder(ctx, "hers/x", 0o755), fs.ErrPermission)
	fails(t, "bob moves from hers", people["bob"].Move(ctx, "hers/a", "shared/a"), fs.ErrPermission)
	fails(t, "bob moves into hers", people["bob of the team"].Move(ctx, "shared/b", "hers/b"), fs.ErrPermission)
	must(t, people["bob of the team"].MakeFolder(ctx, "shared/c", 0o755))
	file, err := filelog.FilesOf(people["bob of the team"].Shelf()).Create("shared/d", 0o600)
	must(t, err)
	must(t, errors.Join(file.Close(), people["bob of the team"].Settle(ctx, "shared/d")))
	made, file2 := described(t, p, "shared/c"), described(t, p, "shared/d")
	if made.UID != bob || made.GID != team || made.Mode&os.ModeSetgid == 0 || file2.UID != bob || file2.GID != team || file2.Mode != 0o600 {
		t.Errorf("bob made %+v and %+v", made, file2)
	}
	// Owner and mode are the owner's to change, and to give away root's.
	for _, c := range []struct {
		who    string
		change volume.AttributeChange
		want   error
	}{
		{"bob of the team", volume.AttributeChange{UID: -1, GID: -1, Mode: new(os.FileMode(0o777))}, syscall.EPERM},
		{"bob of the team", volume.AttributeChange{UID: -1, GID: -1, Modified: time.Unix(1, 0)}, syscall.EPERM},
		{"alice", volume.AttributeChange{UID: bob, GID: -1}, syscall.EPERM},
		{"alice", volume.AttributeChange{UID: -1, GID: bob}, syscall.EPERM},
		{"alice", volume.AttributeChange{UID: -1, GID: alice}, nil},
		{"alice", volume.AttributeChange{UID: -1, GID: -1, Mode: new(os.FileMode(0o600))}, nil},
		{"root", volume.AttributeChange{UID: bob, GID: bob}, nil},
	} {
		held, err := people[c.who].Hold(ctx, "shared/b")
		must(t, err)
		fails(t, fmt.Sprintf("%s changes %+v", c.who, c.change), held.Change(ctx, c.change), c.want)
		must(t, held.Close())
	}
}

// sticky folders let nobody take away what is another's.
func sticky(t *testing.T, p Place) {
	p.needsCallers(t)
	ctx := t.Context()
	folder(t, p, "tmp", 0o777)
	put(t, filelog.FilesOf(p.Shelf()), "tmp/hers", "")
	give(t, p, "tmp", 0, 0, 0o777|os.ModeSticky)
	give(t, p, "tmp/hers", alice, alice, 0o666)
	bobs := p.As(callerOf(bob))
	fails(t, "bob moves what is hers", bobs.Move(ctx, "tmp/hers", "tmp/his"), fs.ErrPermission)
	fails(t, "bob removes what is hers", filelog.FilesOf(bobs.Shelf()).Remove("tmp/hers"), fs.ErrPermission)
	must(t, bobs.MakeFolder(ctx, "tmp/his", 0o755))
	must(t, errors.Join(bobs.RemoveFolder(ctx, "tmp/his"), p.As(callerOf(alice)).Move(ctx, "tmp/hers", "tmp/still hers")))
	shows(t, p, "tmp", "still hers")
}
