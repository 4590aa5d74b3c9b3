package fs

import (
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"rvffs/store/catalog"
)

const (
	sectorSize = 512  // the unit of st_blocks
	pageSize   = 4096 // the preferred size of reads, st_blksize
	// streamSize is st_blksize of streams: cp, cat and dd then write so much at
	// a time, which is also the most that the kernel passes on in one request.
	streamSize = 1 << 20

	readable   = 0o444
	writable   = 0o222
	executable = 0o111
)

// attributes are what stat(2) tells of a node, but for its type and inode number.
type attributes struct {
	mode      os.FileMode // permission bits, and specialBits of folders
	uid, gid  uint32
	modified  time.Time
	size      int64
	blockSize uint32
}

// rights make of the permissions that somebody has to a store's file, or a folder,
// those to what is shown for it. The owner's, the group's and the others' are dealt
// with alike.
type rights func(os.FileMode) os.FileMode

// masked lets some of the permissions through.
func masked(mask os.FileMode) rights {
	return func(mode os.FileMode) os.FileMode { return mode.Perm() & mask }
}

// asFolder is for a folder that stands for a file: who may read the file may enter it.
func asFolder(mode os.FileMode) os.FileMode {
	return mode&(readable|writable) | mode&readable>>2
}

// ownedBy takes owner, group and time over from the backing file, and the rights that
// its mode gives.
func ownedBy(backing catalog.Attributes, given rights) attributes {
	return attributes{
		mode: given(backing.Mode.Perm()), uid: backing.UID, gid: backing.GID,
		modified: backing.Modified, blockSize: pageSize,
	}
}

// beginning is the time of files that are only written to: whatever is to be copied there
// is newer, for programs that copy nothing else.
var beginning = time.Unix(0, 0)

// fill writes the attributes down. Every node has one name, and folders do not count
// those below them. What has bytes takes room, whatever lies on the disk: programs that
// look for holes take a file of none for one that is nothing else.
func (f attributes) fill(out *fuse.Attr) {
	out.Mode = rawMode(f.mode)
	out.Uid, out.Gid = f.uid, f.gid
	out.Size = uint64(f.size)
	out.Blocks = uint64(f.size+sectorSize-1) / sectorSize
	out.Blksize = f.blockSize
	out.Nlink = 1
	out.SetTimes(&f.modified, &f.modified, &f.modified)
}

// answer is that to a stat, with the time for which the kernel may believe it: the
// attributes, or the error for which there are none.
func (f attributes) answer(errno syscall.Errno, timeout time.Duration, out *fuse.AttrOut) syscall.Errno {
	if errno != 0 {
		return errno
	}
	f.fill(&out.Attr)
	out.SetTimeout(timeout)
	return 0
}

// specialBits are the mode bits of folders that change what permissions mean.
const specialBits = os.ModeSticky | os.ModeSetgid | os.ModeSetuid

// special pairs each of them with its bit in a mode of the system.
var special = map[os.FileMode]uint32{
	os.ModeSticky: syscall.S_ISVTX, os.ModeSetgid: syscall.S_ISGID, os.ModeSetuid: syscall.S_ISUID,
}

// rawMode is a mode as the system writes it, without the type of file.
func rawMode(mode os.FileMode) uint32 {
	raw := uint32(mode.Perm())
	for bit, its := range special {
		if mode&bit != 0 {
			raw |= its
		}
	}
	return raw
}

// modeOf is the reverse of rawMode.
func modeOf(raw uint32) os.FileMode {
	mode := os.FileMode(raw).Perm()
	for bit, its := range special {
		if raw&its != 0 {
			mode |= bit
		}
	}
	return mode
}

// fillEntry writes the attributes into the answer to a lookup, with the times for
// which the kernel may believe the name and the attributes.
func (f attributes) fillEntry(out *fuse.EntryOut, name, attributes time.Duration) {
	f.fill(&out.Attr)
	out.SetEntryTimeout(name)
	out.SetAttrTimeout(attributes)
}
