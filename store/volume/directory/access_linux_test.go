package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
)

// The words of an access control list, of posix_acl_xattr.h.
const (
	listVersion = 2

	listOwner, listUser, listFileGroup, listGroup, listMask, listOthers = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
)

// someList is a random access control list in which some of the people occur.
func someList(random *rand.Rand) volume.AccessList {
	list := volume.AccessList{listVersion, 0, 0, 0}
	add := func(tag uint16, id uint32) {
		list = binary.LittleEndian.AppendUint16(list, tag)
		list = binary.LittleEndian.AppendUint16(list, uint16(random.UintN(8)))
		list = binary.LittleEndian.AppendUint32(list, id)
	}
	const nobody = ^uint32(0)
	add(listOwner, nobody)
	for _, id := range []uint32{alice, bob} {
		if random.UintN(2) == 0 {
			add(listUser, id)
		}
	}
	add(listFileGroup, nobody)
	for _, id := range []uint32{alice, bob, 20009, 20010} {
		if random.UintN(3) == 0 {
			add(listGroup, id)
		}
	}
	add(listMask, nobody)
	add(listOthers, nobody)
	return list
}

// TestAccessIsWhatTheKernelSays compares, on random folders and files, what the kernel
// lets somebody do with what mode bits and access control lists are taken to say where
// the kernel cannot be asked.
func TestAccessIsWhatTheKernelSays(t *testing.T) {
	t.Parallel()
	demandRoot(t)
	dir := sharedFolder(t)
	files, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	if err := unix.Setxattr(dir, AccessListAttribute, someList(rand.New(rand.NewPCG(1, 1))), 0); errors.Is(err, unix.ENOTSUP) {
		t.Skip("no access control lists in this file system")
	}
	if err := errors.Join(os.Chmod(dir, 0o755), unix.Removexattr(dir, AccessListAttribute)); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(8, 2))
	dress := func(name string) error {
		ids := []int{0, alice, bob, 20009}
		err := errors.Join(os.Chown(name, ids[random.IntN(3)], ids[random.IntN(4)]), os.Chmod(name, fs.FileMode(random.UintN(0o1000))))
		if random.UintN(2) == 0 {
			err = errors.Join(err, unix.Setxattr(name, AccessListAttribute, someList(random), 0))
		}
		return err
	}
	callers := []volume.Caller{
		{}, {UID: alice, GID: alice}, {UID: bob, GID: bob, Groups: inGroups(20009)}, {UID: 20003, GID: 20009}, {UID: 20003, GID: 7, Groups: inGroups(20010, alice)},
	}
	const rounds = 100
	allowed, refused := 0, 0
	for round := range rounds {
		folder := filepath.Join(dir, fmt.Sprint(round))
		file := filepath.Join(folder, "file")
		if err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(file, nil, 0o600), dress(folder), dress(file)); err != nil {
			t.Fatal(err)
		}
		for _, caller := range callers {
			for want := range volume.Read | volume.Write | volume.Search + 1 {
				for _, name := range []string{fmt.Sprint(round), fmt.Sprint(round, "/file"), fmt.Sprint(round, "/none"), "."} {
					if caller.UID == 0 && want&volume.Search != 0 {
						continue // root may do anything, but execute what nobody may
					}
					found, kernel := files.Access(caller, name, want)
					var guess error
					var guessed volume.FileInfo
					if err := files.act(func(root int) error {
						guessed, guess = byMode(root, name, caller, want)
						return nil
					}); err != nil {
						t.Fatal(err)
					}
					if !errors.Is(guess, errnoWithin(kernel)) || (guess == nil) != (kernel == nil) || kernel == nil && guessed != found {
						t.Errorf("%+v wants %d of %s: the kernel says %v, we %v", caller, want, name, kernel, guess)
					}
					if kernel == nil {
						allowed++
					} else {
						refused++
					}
				}
			}
		}
	}
	if allowed < rounds || refused < rounds {
		t.Errorf("%d allowed and %d refused try too little", allowed, refused)
	}
}

// errnoWithin is the error number in an error; nil without error.
func errnoWithin(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
