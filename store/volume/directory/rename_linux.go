package directory

import (
	"errors"

	"golang.org/x/sys/unix"

	"rvffs/store/volume"
	"rvffs/store/volume/filelog"
)

// Replace implements filelog.FileSystem by exchanging both names: what really stood at name
// can so be told before it is gone. Where names cannot be exchanged, it takes two renames.
func (d *Files) Replace(fresh, name string, old volume.FileInfo) error {
	err := d.between("replace", fresh, name, func(from int, freshBase string, to int, base string) error {
		exchange := func() error {
			return retryInterrupted(func() error { return unix.Renameat2(from, freshBase, to, base, unix.RENAME_EXCHANGE) })
		}
		if err := d.attempt(to, exchanging, exchange); err != nil {
			return err
		}
		found, err := statIn(from, freshBase)
		if err == nil && volume.SameFile(found, old) {
			// Should it stay, it is litter like any other temporary file.
			_ = retryInterrupted(func() error { return unix.Unlinkat(from, freshBase, 0) })
			return nil
		}
		if err == nil {
			err = volume.ErrOtherFile
		}
		return errors.Join(err, exchange())
	})
	if !errors.Is(err, errLacking) {
		return err
	}
	if err := filelog.ReplaceInSteps(d, fresh, name, old); err != nil {
		return err
	}
	return d.lacking("replace", name, exchanging)
}

// lacking notes that the file system that a name is in does not have something: that
// another way was open, and this one was not, says it.
func (d *Files) lacking(operation, name string, what lack) error {
	return d.at(operation, name, func(folder int, _ string) error {
		d.noteLack(folder, what)
		return nil
	})
}

// RenameNew implements filelog.FileSystem with renameat2; it moves folders too. Where the
// file system below has no such call, a folder takes the place of a new, empty one, and a
// file that of a reservation. (A link for the new name and then none for the old one would
// leave two names after a crash, and some file systems of user space take one file for two
// then.)
func (d *Files) RenameNew(oldName, newName string) error {
	err := d.between("rename", oldName, newName, d.renameNew)
	if !errors.Is(err, errLacking) {
		return err
	}
	if err := filelog.RenameReserved(d, oldName, newName); err != nil {
		return err
	}
	return d.lacking("rename", newName, noReplacing)
}

func (d *Files) renameNew(from int, oldBase string, to int, newBase string) error {
	err := d.attempt(to, noReplacing, func() error { return unix.Renameat2(from, oldBase, to, newBase, unix.RENAME_NOREPLACE) })
	if !errors.Is(err, errLacking) {
		return err
	}
	info, err := statIn(from, oldBase)
	if err != nil {
		return err
	}
	if !info.Mode.IsDir() {
		return errLacking
	}
	if err = renameFolder(from, oldBase, to, newBase); err == nil {
		d.noteLack(to, noReplacing)
	}
	return err
}

// renameFolder never replaces anything: a mkdir fails where the new name is taken, and a
// rename over a folder where that holds something.
func renameFolder(from int, oldBase string, to int, newBase string) error {
	if err := retryInterrupted(func() error { return unix.Mkdirat(to, newBase, 0o700) }); err != nil {
		return err
	}
	if err := retryInterrupted(func() error { return unix.Renameat(from, oldBase, to, newBase) }); err != nil {
		return errors.Join(err, unix.Unlinkat(to, newBase, unix.AT_REMOVEDIR))
	}
	return nil
}

// Reserves implements filelog.FileSystem.
func (d *Files) Reserves(name string) bool {
	reserves, own := false, *d
	own.caller = volume.Caller{}
	err := own.at("look at the folder of", name, func(folder int, _ string) error {
		reserves = own.probe(folder)&noReplacing != 0
		return nil
	})
	return err == nil && reserves
}

// reservesIn reports whether names are known to be reserved in an open folder.
func (d *Files) reservesIn(folder int) bool {
	return d.lacksIn(folder)&noReplacing != 0
}
