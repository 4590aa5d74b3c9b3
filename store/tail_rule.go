package store

import (
	"context"
	"errors"
	"fmt"

	"rvffs/store/state"
	"rvffs/store/volume"
)

// tailRule says which files beside a store count as its kept tails. Whoever may make
// names in a folder can give a file of his the name of one: what somebody else wrote
// must neither be committed nor told, nor keep the store's owner from anything.
type tailRule struct {
	owner    uint32 // of the store's file
	identity string // of the store; empty where it has none
}

// errStrangeTail is why a file does not count. To all but those who name it, it is as
// if it were not there.
var errStrangeTail = fmt.Errorf("%w: it does not count as a kept tail of this store", volume.ErrInput)

// tailRule is the rule for the store as it is.
func (s *Store) tailRule(ctx context.Context) (rule tailRule, err error) {
	err = s.withNewest(ctx, func(snapshot *state.Snapshot) error {
		rule, err = tailRuleOf(ctx, snapshot)
		return err
	})
	return rule, err
}

func tailRuleOf(ctx context.Context, s *state.Snapshot) (rule tailRule, err error) {
	err = s.Backing().With(ctx, func(file volume.File) error {
		info, err := file.Stat()
		rule = tailRule{info.UID, storeIdentity(s)}
		return err
	})
	return rule, err
}

// checkFile judges a file that has the name of a tail.
func (r tailRule) checkFile(info volume.FileInfo) error {
	switch {
	case !info.Mode.IsRegular():
		return fmt.Errorf("%w: it is no regular file", errStrangeTail)
	case info.Links > 1:
		return fmt.Errorf("%w: it has %d names (hard links)", errStrangeTail, info.Links)
	case info.UID != r.owner && !(volume.Caller{UID: info.UID}).Trusted():
		return fmt.Errorf("%w: it belongs to user %d, and the store to user %d", errStrangeTail, info.UID, r.owner)
	}
	return nil
}

// checkInfo judges what a file says of itself.
func (r tailRule) checkInfo(info *tailInfo) error {
	if r.identity != "" && info.FileID != "" && info.FileID != r.identity {
		return fmt.Errorf("%w: it is of the store %s, and this one is %s", errStrangeTail, info.FileID, r.identity)
	}
	return nil
}

// open opens a tail and reads what it says of itself, and where its bytes begin. It
// fails with errStrangeTail when the file does not count.
func (r tailRule) open(files volume.FileSystem, name string) (file volume.File, info tailInfo, start int64, err error) {
	if file, err = files.Open(name, false); err != nil {
		// What somebody else keeps for himself is no problem of this store's.
		if found, problem := files.Stat(name); problem == nil {
			if strange := r.checkFile(found); strange != nil {
				err = strange
			}
		}
		return nil, info, 0, err
	}
	found, err := file.Stat()
	if err == nil {
		err = r.checkFile(found)
	}
	if err == nil {
		info, start, err = readTailInfo(file)
	}
	if err == nil {
		err = r.checkInfo(&info)
	}
	if err != nil {
		return nil, info, 0, errors.Join(err, file.Close())
	}
	return file, info, start, nil
}

// read is open for what the tail says of itself alone.
func (r tailRule) read(files volume.FileSystem, name string) (Tail, error) {
	file, info, _, err := r.open(files, name)
	if err != nil {
		return Tail{}, err
	}
	return info.Tail, file.Close()
}
