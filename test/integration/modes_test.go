package integration

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"rvffs/test/integration/rawfile"
)

// TestStoresGetNoMoreThanTheModeAskedFor makes and derives stores with modes and masks,
// of which a file must have the bits for reading and writing that mkdir would leave a
// folder, and no others: who asks for none gets none. Where the folder hands an access
// control list down, it has some of those of the mode.
func TestStoresGetNoMoreThanTheModeAskedFor(t *testing.T) {
	t.Parallel()
	demandUsers(t)
	defaults := map[string][]byte{defaultAttribute: aclOf(
		[3]uint32{aclUserObj, 7, aclNobody}, [3]uint32{aclUser, 6, bob}, [3]uint32{aclGroupObj, 5, aclNobody},
		[3]uint32{aclMask, 7, aclNobody}, [3]uint32{aclOther, 7, aclNobody})}
	files := []planted{
		{name: "plain", owner: alice, group: alice, mode: 0o755},
		{name: "plain/p.rvf", owner: alice, group: alice, mode: 0o644, content: rawfile.NewBuilder("plain parent", 3).Bytes},
	}
	probe := writeFile(t, t.TempDir()+"/probe", nil)
	lists := unix.Setxattr(probe, accessAttribute, aclOf(
		[3]uint32{aclUserObj, 6, aclNobody}, [3]uint32{aclUser, 4, bob}, [3]uint32{aclGroupObj, 0, aclNobody},
		[3]uint32{aclMask, 4, aclNobody}, [3]uint32{aclOther, 0, aclNobody}), 0) == nil
	folders := []string{"plain"}
	if lists {
		folders = append(folders, "handing")
		files = append(files, planted{name: "handing", owner: alice, group: alice, mode: 0o755, attributes: defaults},
			planted{name: "handing/p.rvf", owner: alice, group: alice, mode: 0o644, content: rawfile.NewBuilder("handing parent", 3).Bytes})
	}
	m := commons(t, files)
	hers, his := newPerson(t, alice), newPerson(t, bob)
	for _, mask := range []fs.FileMode{0o022, 0o777, 0o677, 0} {
		hers.must("umask", strconv.FormatUint(uint64(mask), 8))
		for _, mode := range []fs.FileMode{0, 0o001, 0o100, 0o111, 0o300, 0o400, 0o500, 0o700, 0o711, 0o755, 0o777} {
			for _, folder := range folders {
				for _, in := range []string{folder, folder + "/p.rvf"} {
					name := fmt.Sprintf("%o-%o-%d.rvf", mask, mode, len(in))
					hers.must("mkdir", m.path(in, name), strconv.FormatUint(uint64(mode), 8))
					info, err := os.Stat(m.backing(folder, name))
					if err != nil {
						t.Fatal(err)
					}
					// Where a list is handed down, the mask of the process does not count.
					want := mode & 0o666
					if folder == "plain" {
						want &^= mask
					}
					if info.Mode() != want {
						t.Errorf("mkdir %s with mode %o and mask %o: the file has %v, want %v", in, mode, mask, info.Mode(), want)
					}
					if want&0o066 == 0 {
						if text, err := his.do("read", m.path(in, name, "status.json")); err == nil {
							t.Errorf("bob reads %s", text)
						}
					}
				}
			}
		}
	}
}
