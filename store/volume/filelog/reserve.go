package filelog

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"rvffs/store/volume"
)

// Where a file system cannot rename without replacing, there is one way left to give a file
// a name that nobody else has: take the name by an exclusive create, and rename over what
// was created. What stands at the name meanwhile is a reservation. It holds a writer lock's record, so that it says whose it is in words
// that are known, and where the name is that of a lock, it is one to everybody.
//
// Why nothing gets lost:
//   - Nobody takes a reservation for a store: it is empty, holds such a record, or zeros
//     and the beginning of one after a crash, and none of that is a store's. Listings leave it out (ErrReserved).
//   - Nobody who renames this way replaces another's file: of two that create exclusively
//     one fails. Who has the name looks once more, before the rename, whether his own
//     reservation still stands there and nobody wrote to it, and gives up when that took
//     him reservationPatience.
//   - After a crash the file stands at its old name, and an empty file or a record at the
//     new one; or the file stands at the new one. A left reservation is removed by who
//     wants the name, when it is older than any live maker lets his become: at once after
//     leftUnfilled when there is no record in it, after lockStaleLocal when its maker ran
//     on this host and is gone, and after lockStaleOther in any case. Only who has the
//     writer lock of the name judges and removes it, so that nobody removes by an old
//     judgement what another has put there since.
//   - The reservation is not held open: many file systems of user space give an open file
//     another name before they replace it, and then the name would be free for a moment.
//
// What remains is for the warning at mount: a program that does not create exclusively may
// write into a reservation, and loses that; and a machine that stops between its last look
// and its rename for longer than lockStaleOther, and then goes on, may replace what another
// machine has put there since.
const (
	// reservationPatience is how long a maker of a reservation may need to use it.
	reservationPatience = lockStaleLocal / 2
	// leftUnfilled is how old a reservation without a record must be to be a left one.
	leftUnfilled = lockFilling
)

// RenameReserved moves a file to a name at which nothing stands, and fails with
// fs.ErrExist where something does. It is for files without a call for that.
func RenameReserved(files FileSystem, oldName, newName string) error {
	begun := time.Now()
	if _, err := files.Stat(oldName); err != nil {
		return err
	}
	reservation, err := files.Create(newName, 0o644)
	if err != nil {
		return err
	}
	_, err = reservation.WriteAt(LockRecord(os.Getpid(), HostName()), 0)
	own, describeErr := reservation.Describe()
	there, statErr := files.Stat(newName)
	err = errors.Join(err, describeErr, statErr, reservation.Close())
	switch {
	case err != nil:
	case !volume.SameFile(own, there) || there.Size > lockSize:
		return fmt.Errorf("%w: another program has taken the name %q", fs.ErrExist, newName)
	case time.Since(begun) > reservationPatience:
		err = fmt.Errorf("%w: the name %q was reserved %v ago, and may count as left", volume.ErrHeld, newName, time.Since(begun).Round(time.Second))
	default:
		err = files.Rename(oldName, newName)
	}
	if err != nil {
		return errors.Join(err, removeOwn(files, newName, own))
	}
	return nil
}

// LockRecord is what a writer's lock holds that was made just now: of one who has no
// advisory lock besides.
func LockRecord(process int, host string) []byte {
	record := lockRecord{process: process, host: host, time: time.Now()}
	copy(record.owner[:], rand.Text()) // which lockMark does not begin: it has small letters
	return record.encode()
}

// removeOwn removes a reservation that was not used.
func removeOwn(files FileSystem, name string, own volume.FileInfo) error {
	there, err := files.Stat(name)
	if err != nil || there.Size > lockSize || !volume.SameFile(there, own) {
		return nil // somebody took it away, or it is not known to be ours
	}
	return files.Remove(name)
}

// Reserved reports whether a file, which stands where stores do, is a reservation. Without
// a record it is one only among files that make some.
func Reserved(info volume.FileInfo, file io.ReaderAt, made func() bool) bool {
	if !info.Mode.IsRegular() || info.Size > lockSize {
		return false
	}
	content := make([]byte, info.Size)
	n, err := file.ReadAt(content, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	return isReservation(content[:n], made)
}

// isReservation reports whether bytes are those of one: a record, or what a crash may have
// left of one.
func isReservation(content []byte, made func() bool) bool {
	if _, filled := parseLock(content); filled {
		return true
	}
	zeros := len(bytes.Trim(content, "\x00")) == 0
	begun := len(content) < lockSize && bytes.HasPrefix(LockRecord(0, ""), content[:min(len(content), 4)])
	return (zeros || begun) && made()
}

// FreeName removes a reservation that a crash has left at a name, and reports whether it
// did.
func FreeName(ctx context.Context, files FileSystem, name string) bool {
	if found, is := reservationAt(files, name); !is || !isLeft(files, name, found) {
		return false
	}
	lock, err := Acquire(ctx, files, name, 0)
	if err != nil {
		return false
	}
	freed := freeName(files, name)
	return lock.Release() == nil && freed
}

// freeName is FreeName for who has the writer lock of the name: it reports whether it
// removed what was left.
func freeName(files FileSystem, name string) bool {
	found, is := reservationAt(files, name)
	return is && isLeft(files, name, found) && files.Remove(name) == nil
}

// reservationAt tells about the reservation at a name, if one stands there.
func reservationAt(files FileSystem, name string) (found foundLock, is bool) {
	info, err := files.Stat(name)
	if err != nil || info.Size > lockSize || !info.Mode.IsRegular() {
		return foundLock{}, false
	}
	if found, err = readLock(files, name); err != nil {
		return foundLock{}, false
	}
	return found, isReservation(found.content, func() bool { return files.Reserves(name) })
}

// isLeft reports whether nobody will use a reservation any more.
func isLeft(files FileSystem, name string, found foundLock) bool {
	now, err := clock(files, name)
	if err != nil {
		return false
	}
	age := now.Sub(found.info.Modified)
	record, filled := parseLock(found.content)
	switch {
	case !filled:
		return age >= leftUnfilled
	case record.host == HostName() && !processAlive(record.process):
		return age >= lockStaleLocal
	}
	return age >= lockStaleOther
}
