package integration

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// Each attack ends after so many tries or seconds. RVFFS_ATTACK_SECONDS makes it last
// so long, or through many more tries.
const (
	attackSeconds   = 1
	attackTries     = 200
	attackTriesLong = 100000
)

// attack is what alice tries through the mount while she exchanges names in the
// folders that she may write to.
type attack struct {
	Kind     string // one of the keys of actors
	Swap     string // one of the keys of swappers
	Mount    string // its folder in the mount
	Backing  string // and in the backing directory
	Markers  [][]byte
	Duration time.Duration
	Tries    int
}

// attackResult tells how the attack went.
type attackResult struct {
	Tries, Swaps int
	Won          []string       // what she got that she has no right to
	Outcomes     map[string]int // how often each error came; "" is success
}

func init() { userTasks["attack"] = runAttack }

// bobsID is the id of a vector that only bob's stores hold.
const bobsID = 424242

// runAttack is alice.
func runAttack(orders *json.Decoder) (any, error) {
	var a attack
	if err := orders.Decode(&a); err != nil {
		return nil, err
	}
	unix.Umask(0)
	result := attackResult{Outcomes: map[string]int{}}
	var swaps atomic.Int64
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	if swap := swappers[a.Swap]; swap != nil {
		swapper.Go(func() {
			// His for a moment, of any length, and then hers again for longer.
			pauses := [2][]time.Duration{
				{0, 0, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond},
				{20 * time.Microsecond, 200 * time.Microsecond, time.Millisecond, 5 * time.Millisecond},
			}
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if swap(a, n) {
					swaps.Add(1)
				}
				if choice := pauses[n%2]; a.Swap != "new" {
					time.Sleep(choice[mathrand.IntN(len(choice))])
				}
			}
		})
	}
	act := actors[a.Kind]
	const fewSwaps = 20
	more := func() bool {
		return result.Tries < a.Tries || swappers[a.Swap] != nil && swaps.Load() < fewSwaps
	}
	for deadline := time.Now().Add(a.Duration); time.Now().Before(deadline) && more(); result.Tries++ {
		// The kernel forgets what it knew of the store, and asks again.
		_ = unix.Statx(unix.AT_FDCWD, a.where(), unix.AT_STATX_FORCE_SYNC|unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &unix.Statx_t{})
		if result.Tries%8 == 0 {
			time.Sleep(time.Duration(mathrand.IntN(500)) * time.Microsecond)
		}
		won, err := act(a, result.Tries)
		if won != "" {
			result.Won = append(result.Won, won)
		}
		outcome := ""
		if err != nil {
			outcome = err.Error()
			if errno := syscall.Errno(0); errors.As(err, &errno) {
				outcome = errno.Error()
			}
		}
		result.Outcomes[outcome]++
	}
	close(stop)
	swapper.Wait()
	result.Swaps = int(swaps.Load())
	return result, nil
}

// exchange swaps two names of the backing directory in one step, and reports whether it did.
func (a attack) exchange(one, other string) bool {
	return unix.Renameat2(unix.AT_FDCWD, filepath.Join(a.Backing, one), unix.AT_FDCWD, filepath.Join(a.Backing, other), unix.RENAME_EXCHANGE) == nil
}

// swappers exchange what alice owns, or may move, for what leads to bob's.
var swappers = map[string]func(a attack, n int) bool{
	// Her store for a symlink to his, with a relative path or the whole one.
	"store": func(a attack, n int) bool {
		return a.exchange("hers/x.rvf", []string{"hers/link", "hers/whole"}[n/2%2])
	},
	// Her folder, in which all has the names of his, for a symlink to his.
	"folder": func(a attack, n int) bool {
		return a.exchange("hers/f", []string{"hers/folderlink", "hers/wholefolder"}[n/2%2])
	},
	// Her store for a hard link to his, which she had from somewhere.
	"hard": func(a attack, _ int) bool { return a.exchange("hers/x.rvf", "hers/hard.rvf") },
	// In a folder where she may rename everything, her store for his.
	"shared": func(a attack, _ int) bool { return a.exchange("shared/x.rvf", "shared/his.rvf") },
	// What the daemon makes, whatever it is called, for a symlink to his store, to his
	// folder, for a file of root's, and for a folder of root's.
	"new": func(a attack, n int) bool {
		entries, err := os.ReadDir(filepath.Join(a.Backing, "new"))
		if err != nil {
			return false
		}
		swapped := false
		for _, entry := range entries {
			name := entry.Name()
			if strings.HasPrefix(name, "bait") {
				continue
			}
			swapped = a.exchange("new/"+name, "new/bait"+fmt.Sprint(n%4)) || swapped
		}
		return swapped
	},
	"none": nil,
}

// where is the store in the mount that an attack goes for.
func (a attack) where(names ...string) string {
	store := map[string]string{"folder": "hers/f/secret.rvf", "shared": "shared/x.rvf", "none": "hers/link"}[a.Swap]
	if store == "" {
		store = "hers/x.rvf"
	}
	return filepath.Join(append([]string{a.Mount, store}, names...)...)
}

// actors are what alice does. What she won is what she should never have seen.
var actors = map[string]func(a attack, n int) (won string, err error){
	"read": func(a attack, n int) (string, error) {
		name := []string{"raw", "vectors/vectors.f32", "identity.bin", "vectors/by-id/424242.json", "segments/000001-vec.seg"}[n%5]
		content, err := readStart(a.where(name))
		return a.judge(name, content), err
	},
	// The link itself may lead to the file, and then she has what her own rights give.
	"read file": func(a attack, _ int) (string, error) {
		content, err := readStart(a.where())
		return a.judge("the file", content), err
	},
	"query": func(a attack, _ int) (string, error) {
		file, err := os.OpenFile(a.where("query"), os.O_RDWR, 0)
		if err != nil {
			return "", err
		}
		defer file.Close()
		var answer string
		for range 3 {
			if _, err := file.WriteString(`{"vector":[0,0],"k":9}` + "\n"); err != nil {
				return "", err
			}
			content := make([]byte, 4096)
			read, err := file.Read(content)
			if err != nil {
				return "", err
			}
			answer += string(content[:read])
		}
		if strings.Contains(answer, fmt.Sprint(bobsID)) {
			return "an answer of his store: " + answer, nil
		}
		return "", nil
	},
	"chmod": func(a attack, n int) (string, error) {
		now := []syscall.Timespec{{Sec: 1}, {Sec: 2}}
		switch n % 4 {
		case 0:
			return "", os.Chmod(a.where(), 0o777)
		case 1:
			return "", syscall.UtimesNano(a.where(), now)
		case 2:
			return "", os.Chown(a.where(), alice, alice)
		}
		return "", os.Chmod(filepath.Dir(a.where()), 0o777)
	},
	"append": func(a attack, n int) (string, error) {
		return "", pourSlowly(a.where("vectors.append"), [][]byte{{0, 0, 0, 0, 0, 0, 0, 64}, {0, 0, 0, 0, 0, 0, 128, 64}}, n)
	},
	"delete": func(a attack, n int) (string, error) {
		return "", pourSlowly(a.where("vectors.delete"), [][]byte{[]byte("424242\n"), []byte("1\n")}, n)
	},
	"embed": func(a attack, n int) (string, error) {
		// Behind what begins a module stands the length of a section that takes all that follows.
		begin, part := []byte("\x00asm\x01\x00\x00\x00\x00\xf8\x03"), []string{"kernel/image", "wasm/module.wasm"}[n%2]
		return "", pourSlowly(a.where(part), [][]byte{append(begin, bytes.Repeat([]byte("alice"), 100)...), []byte("more")}, n)
	},
	"compact": func(a attack, n int) (string, error) {
		return "", pourSlowly(a.where("ctl"), [][]byte{[]byte("compact\n")}, n)
	},
	"type": func(a attack, _ int) (string, error) {
		return "", unix.Setxattr(a.where(), "user.rvf.derivation_type", []byte("filter"), 0)
	},
	"derive": func(a attack, n int) (string, error) {
		name := a.where(fmt.Sprintf("child%d.rvf", n))
		err := os.Mkdir(name, 0o777)
		if err == nil && n%2 == 0 {
			err = os.Remove(name)
		}
		return "", err
	},
	"rename": func(a attack, n int) (string, error) {
		moved := filepath.Join(filepath.Dir(a.where()), "moved.rvf")
		if n%2 == 0 {
			return "", os.Rename(a.where(), moved)
		}
		return "", os.Rename(moved, a.where())
	},
	"remove": func(a attack, n int) (string, error) {
		name := filepath.Join(filepath.Dir(a.where()), "empty.rvf")
		if n%2 == 0 {
			return "", os.Remove(name)
		}
		return "", os.Mkdir(name, 0o777)
	},
	"mkdir": func(a attack, n int) (string, error) {
		name := fmt.Sprintf("made%d", n)
		if n%2 == 0 {
			name += ".rvf"
		}
		err := os.Mkdir(filepath.Join(a.Mount, "new", name), 0o777)
		return "", err
	},
}

// judge looks for what only bob's store holds.
func (a attack) judge(what string, content []byte) string {
	for _, marker := range a.Markers {
		if bytes.Contains(content, marker) {
			return fmt.Sprintf("%s of his store, %d bytes", what, len(content))
		}
	}
	return ""
}

// readStart reads what a file begins with.
func readStart(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content := make([]byte, 16<<10)
	n, err := file.Read(content)
	if n > 0 {
		err = nil
	}
	return content[:max(n, 0)], err
}

// pourSlowly writes pieces into a stream and commits after each. In between there is
// time for names to change.
func pourSlowly(path string, pieces [][]byte, n int) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for _, piece := range pieces {
		if n%3 > 0 {
			time.Sleep(time.Duration(mathrand.IntN(2000)) * time.Microsecond)
		}
		if _, err := file.Write(piece); err != nil {
			return err
		}
		if n%2 == 0 {
			if err := file.Sync(); err != nil {
				return err
			}
		}
	}
	return nil
}

// plantVictim makes the folders of one attack: alice's, bob's and one in which both
// may make names.
func plantVictim(t *testing.T, backing string) (markers [][]byte, victims []string) {
	t.Helper()
	if err := os.Mkdir(backing, 0o755); err != nil {
		t.Fatal(err)
	}
	hers, his := ownFolder(t, filepath.Join(backing, "hers"), alice, 0o755), filepath.Join(backing, "his")
	shared, fresh := ownFolder(t, filepath.Join(backing, "shared"), 0, 0o777), ownFolder(t, filepath.Join(backing, "new"), alice, 0o755)
	ownFolder(t, filepath.Join(hers, "f"), alice, 0o755)
	ownFolder(t, his, bob, 0o700)
	secret := make([]byte, 8)
	if _, err := rand.Read(secret); err != nil {
		t.Fatal(err)
	}
	secret[3], secret[7] = 0x41, 0x42 // numbers, and none of the strange ones
	build := func(path string, owner int, vectors map[uint64][]float32) {
		builder := rawfile.NewBuilder(path, 2)
		if len(vectors) > 0 {
			builder.Vec(vectors)
		}
		give(t, builder.Manifest().Write(t, path), owner, 0o600)
		if owner == bob {
			victims = append(victims, path)
			id := rawfile.FileID(path)
			markers = append(markers, id[:])
		}
	}
	his2 := map[uint64][]float32{bobsID: floats(secret), 1: {1, 2}}
	hers2 := map[uint64][]float32{bobsID + 1: {3, 4}, 1: {5, 6}, 2: {7, 8}}
	build(filepath.Join(his, "secret.rvf"), bob, his2)
	build(filepath.Join(his, "empty.rvf"), bob, nil)
	build(filepath.Join(shared, "his.rvf"), bob, his2)
	build(filepath.Join(shared, "x.rvf"), alice, hers2)
	build(filepath.Join(hers, "x.rvf"), alice, hers2)
	build(filepath.Join(hers, "f", "secret.rvf"), alice, hers2)
	build(filepath.Join(hers, "f", "empty.rvf"), alice, nil)
	markers = append(markers, secret)
	root := filepath.Join(fresh, "bait2")
	steps := []error{
		os.Symlink("../his/secret.rvf", filepath.Join(hers, "link")), os.Symlink(filepath.Join(his, "secret.rvf"), filepath.Join(hers, "whole")),
		os.Symlink("../his", filepath.Join(hers, "folderlink")), os.Symlink(his, filepath.Join(hers, "wholefolder")),
		os.Symlink("../his/secret.rvf", filepath.Join(fresh, "bait0")), os.Symlink("../his", filepath.Join(fresh, "bait1")),
		os.WriteFile(root, []byte("root's"), 0o600), os.Mkdir(filepath.Join(fresh, "bait3"), 0o700),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	return markers, append(victims, root, filepath.Join(fresh, "bait3"))
}

// victim is a file or folder that must stay as it is, whatever its name becomes.
type victim struct {
	path string
	file *os.File
	was  string
}

func watchVictim(t *testing.T, path string) victim {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	v := victim{path: path, file: file}
	v.was = v.state(t)
	return v
}

// state is everything about the file but its times of access and change, for it may
// be renamed.
func (v victim) state(t *testing.T) string {
	t.Helper()
	info, err := v.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, info.Size())
	if info.Mode().IsRegular() {
		if _, err := v.file.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
	}
	owner := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%v of %d:%d, changed %v, %x", info.Mode(), owner.Uid, owner.Gid, info.ModTime(), content)
}

// TestAttacks has alice try everything through the mount of a daemon that runs as
// root, while she exchanges names as fast as she can for what leads to bob's files.
// She must never see or change a byte, an owner or a mode of his.
func TestAttacks(t *testing.T) {
	demandUsers(t)
	seconds, tries := fromEnvironment(t, "RVFFS_ATTACK_SECONDS", attackSeconds), attackTries
	if os.Getenv("RVFFS_ATTACK_SECONDS") != "" {
		tries = attackTriesLong
	}
	kinds := map[string][]string{
		"none":   {"read file", "read", "chmod", "append", "delete"},
		"store":  {"read", "read file", "query", "chmod", "append", "delete", "embed", "compact", "type", "derive", "rename"},
		"folder": {"read", "query", "chmod", "append", "delete", "embed", "compact", "derive", "rename", "remove"},
		"hard":   {"read", "query", "chmod", "append", "delete", "embed", "compact", "type"},
		"shared": {"read", "query", "chmod", "append", "delete", "embed", "compact", "type"},
		"new":    {"mkdir"},
	}
	base := publicFolder(t)
	m := servePublic(t, base)
	for swap, actions := range kinds {
		for _, kind := range actions {
			t.Run(swap+"/"+kind, func(t *testing.T) {
				place := strings.ReplaceAll(swap+"-"+kind, " ", "-")
				backing := filepath.Join(base, place)
				markers, precious := plantVictim(t, backing)
				if swap == "hard" {
					if err := os.Link(filepath.Join(backing, "his", "secret.rvf"), filepath.Join(backing, "hers", "hard.rvf")); err != nil {
						t.Fatal(err)
					}
				}
				var victims []victim
				for _, name := range precious {
					victims = append(victims, watchVictim(t, name))
				}
				eventually(t, "the folder is shown", func() error {
					_, err := os.Stat(m.path(place, "hers"))
					return err
				})
				orders := attack{
					Kind: kind, Swap: swap, Mount: m.path(place), Backing: backing, Markers: markers,
					Duration: time.Duration(seconds) * time.Second, Tries: tries,
				}
				var result attackResult
				asUser(t, alice, "attack", orders, &result, orders.Duration+patience)
				t.Logf("%d tries, %d swaps, won %d: %v", result.Tries, result.Swaps, len(result.Won), result.Outcomes)
				for _, won := range result.Won[:min(3, len(result.Won))] {
					t.Errorf("alice has %s", won)
				}
				if result.Tries == 0 || swap != "none" && result.Swaps == 0 {
					t.Error("nothing was tried")
				}
				for _, v := range victims {
					if now := v.state(t); now != v.was {
						t.Errorf("%s is %.200s\nand was %.200s", v.path, now, v.was)
					}
				}
				for _, name := range []string{"his/secret.rvf", "his/empty.rvf"} {
					if _, err := os.Lstat(filepath.Join(backing, name)); err != nil {
						t.Error(err)
					}
				}
				if got := names(t, filepath.Join(backing, "his")); !slices.Equal(got, []string{"empty.rvf", "secret.rvf"}) {
					t.Errorf("in bob's folder there is %q", got)
				}
			})
		}
	}
	m.stop()
	// Nothing of bob's or root's became alice's.
	err := filepath.WalkDir(base, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "his" {
			info, statErr := entry.Info()
			if err = statErr; err == nil && (info.Sys().(*syscall.Stat_t).Uid != bob || info.Mode().Perm() != 0o700) {
				t.Errorf("%s is %v of %d", path, info.Mode(), info.Sys().(*syscall.Stat_t).Uid)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
