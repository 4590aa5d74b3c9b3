package segments

import (
	"encoding/binary"
	"fmt"

	"rvffs/lineage"
)

const (
	// BranchesMagic begins every list of branches; on disk it reads "RVBL".
	BranchesMagic uint32 = 0x4C425652

	branchesVersion = 1
	branchesFixed   = 0x0C
	branchFixed     = 0x38
)

// ListedBranch is a branch that a file knows of.
type ListedBranch struct {
	FileID lineage.FileID
	Pinned lineage.Hash // SHAKE-256 of the manifest whose vectors it shows
	Epoch  uint32       // of that state
	Name   string       // of its file, relative to the folder of this one, or absolute; where it lay once
}

// LetGo reports whether the entry says that the branch was removed on purpose, for others who
// have known it and find it no more.
func (b ListedBranch) LetGo() bool { return b.Pinned == lineage.Hash{} }

// EncodeBranches returns the payload of a list of branches.
func EncodeBranches(branches []ListedBranch) []byte {
	b := make([]byte, branchesFixed)
	binary.LittleEndian.PutUint32(b[0x00:], BranchesMagic)
	binary.LittleEndian.PutUint16(b[0x04:], branchesVersion)
	binary.LittleEndian.PutUint32(b[0x08:], uint32(len(branches)))
	for _, branch := range branches {
		b = append(b, branch.FileID[:]...)
		b = append(b, branch.Pinned[:]...)
		b = binary.LittleEndian.AppendUint32(b, branch.Epoch)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(branch.Name)))
		b = append(b, branch.Name...)
	}
	return b
}

// ParseBranches reads the payload of a list of branches. The error wraps ErrPayload.
func ParseBranches(payload []byte) ([]ListedBranch, error) {
	if len(payload) < branchesFixed {
		return nil, fmt.Errorf("%w: list of branches of %d bytes", ErrPayload, len(payload))
	}
	if err := checkVersion("list of branches", payload, BranchesMagic, branchesVersion); err != nil {
		return nil, err
	}
	count := uint64(binary.LittleEndian.Uint32(payload[0x08:]))
	rest := payload[branchesFixed:]
	if count > uint64(len(rest)/branchFixed) {
		return nil, fmt.Errorf("%w: list of %d branches in %d bytes", ErrPayload, count, len(payload))
	}
	branches := make([]ListedBranch, 0, count)
	for range count {
		if len(rest) < branchFixed {
			return nil, fmt.Errorf("%w: list of branches is cut off", ErrPayload)
		}
		name := uint64(binary.LittleEndian.Uint32(rest[0x34:]))
		if name > uint64(len(rest)-branchFixed) {
			return nil, fmt.Errorf("%w: name of %d bytes in a list of branches", ErrPayload, name)
		}
		branches = append(branches, ListedBranch{
			FileID: lineage.FileID(rest[0x00:0x10]), Pinned: lineage.Hash(rest[0x10:0x30]),
			Epoch: binary.LittleEndian.Uint32(rest[0x30:]), Name: string(rest[branchFixed : branchFixed+name]),
		})
		rest = rest[branchFixed+name:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind a list of branches", ErrPayload, len(rest))
	}
	return branches, nil
}
