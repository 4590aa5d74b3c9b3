package incoming

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"rvffs/store/shared"
	"rvffs/store/spool"
	"rvffs/store/volume"
)

// state is what became of a file.
type state uint8

const (
	waiting state = iota // for bytes, for a close, or for a name
	taken
	refused // it is the text that says why another file was
)

// File is one name of a folder: a file on its way, or a receipt.
type File struct {
	folder       *Folder
	index, inode uint64

	turn shared.Turn
	// What follows is for who has the turn.
	bytes   *spool.Spool // nil without any of its own
	uploads []*Upload
	fresh   bool   // bytes came that were not taken in
	covered int64  // how many bytes were written, some perhaps more than once
	filled  bool   // some of them are not zero
	over    bool   // it was that receipt, which stands again if nothing is taken in
	uncut   bool   // what is not written would be bytes of the receipt that was there
	former  record // of the receipt whose place it takes; set before anybody has the file
	failed  error  // what ended it

	length atomic.Int64 // of what is written, or was

	// The folder's mu guards what follows.
	name       string
	attributes Attributes
	state      state
	size       int64  // that is shown
	text       []byte // the result, or why another was refused
	sum        []byte // of the bytes that were taken in
	retimed    bool   // whoever sent it sets times when it is taken in
	gone       bool   // no name leads to it
	replaces   bool   // its name is a temporary one because of another file
	weight     int64  // in memory, as a receipt
	takenAs    string // the name that it had when it was taken in
	received   uint64 // tells apart the receipts that it was
}

// record is what is remembered of what was taken in.
type record struct {
	known    bool
	name     string // under which it was
	size     int64
	modified int64 // nanoseconds since 1970
	retimed  bool
	sum      []byte
	text     []byte
}

// Facts are what is shown of a file.
type Facts struct {
	Attributes
	Size int64
	// Result says what became of it; nil before that is known.
	Result []byte
}

// Number is the inode number, and Index tells the file apart from all others of the folder.
func (f *File) Number() uint64 { return f.inode }

// Index is another one for each file of the folder.
func (f *File) Index() uint64 { return f.index }

// Name is what it is called at this moment.
func (f *File) Name() string {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	return f.name
}

// Facts are those of this moment.
func (f *File) Facts() Facts {
	d := f.folder
	d.mu.Lock()
	defer d.mu.Unlock()
	facts := Facts{Attributes: f.attributes, Size: f.size}
	switch f.state {
	case waiting:
		facts.Size = f.length.Load()
	case taken:
		facts.Result = f.text
	}
	return facts
}

// Change sets attributes.
func (f *File) Change(change volume.AttributeChange) {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	f.attributes.change(change)
	if f.state == taken && !change.Modified.IsZero() && !change.Modified.Equal(volume.Now) {
		f.retimed = true
	}
}

// waits reports whether it has bytes that were not taken in.
func (f *File) waits() bool {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	return f.state == waiting && f.length.Load() > 0
}

// receipt is what it remembers, nothing for no file.
func (f *File) receipt() record {
	if f == nil {
		return record{}
	}
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	if f.state != taken {
		return record{}
	}
	return record{true, f.takenAs, f.size, f.attributes.Modified.UnixNano(), f.retimed, f.sum, f.text}
}

// ReadAt reads what was written so far, what a receipt shows, or why another file was
// refused. It is io.EOF behind the end.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	f.turn.Wait()
	defer f.turn.Give()
	f.folder.mu.Lock()
	state, text, size := f.state, f.text, f.size
	f.folder.mu.Unlock()
	switch {
	case state == refused:
		return bytes.NewReader(text).ReadAt(p, offset)
	case f.bytes != nil:
		return f.bytes.ReadAt(p, offset)
	case state == taken:
		return notice{text, size}.ReadAt(p, offset)
	}
	return bytes.NewReader(nil).ReadAt(p, offset)
}

// Open opens the file for writing, perhaps at its end. To what was taken in nothing can be
// appended.
func (f *File) Open(ctx context.Context, appending bool) (*Upload, error) {
	if err := f.turn.Take(ctx); err != nil {
		return nil, err
	}
	defer f.turn.Give()
	f.folder.mu.Lock()
	name, state := f.name, f.state
	f.folder.mu.Unlock()
	switch {
	case state == refused:
		return nil, f.folder.describe(name, fmt.Errorf("%w: it says why another file was refused", volume.ErrNotPermitted))
	case state == taken && appending:
		f.folder.mu.Lock()
		f.folder.refuse(name, f.attributes, errTaken)
		f.folder.mu.Unlock()
		return nil, f.folder.describe(name, errTaken)
	}
	if err := f.folder.admit(ctx, name); err != nil {
		return nil, f.folder.describe(name, err)
	}
	u := &Upload{file: f, as: f.folder.options.Destination.Keep(ctx)}
	f.uploads = append(f.uploads, u)
	return u, nil
}

// errTaken refuses what would come behind the end of a receipt.
var errTaken = fmt.Errorf("%w: the file that is here was taken in already, and nothing can be appended to it; write the rest to a file of another name", volume.ErrInput)

// Cut sets the length of a file that nobody has opened for it, as truncate(2) does. The
// kernel does not say for which descriptor it is that open(2) cuts a file to nothing.
func (f *File) Cut(ctx context.Context, size int64) error {
	if err := f.turn.Take(ctx); err != nil {
		return err
	}
	defer f.turn.Give()
	for _, u := range slices.Backward(f.uploads) {
		// What others have closed stays closed, although the kernel may not have said yet
		// that they are gone.
		if !u.spent && !u.done {
			return f.describe(u.truncate(ctx, size))
		}
	}
	if size == f.Facts().Size {
		return nil
	}
	if f.bytes == nil {
		return f.describe(fmt.Errorf("%w: what was taken in cannot be cut", volume.ErrInput))
	}
	return f.describe(f.resize(ctx, size))
}

// begin makes the file one that waits for bytes, in the place of the receipt that it was.
func (f *File) begin() {
	if f.bytes != nil {
		return
	}
	f.bytes = spool.New(f.folder.options.Memory, f.folder.options.Destination.Spool)
	former := f.receipt()
	if !former.known {
		return
	}
	f.former, f.over, f.uncut = former, true, former.size > 0
	d := f.folder
	d.mu.Lock()
	defer d.mu.Unlock()
	if !f.gone {
		d.weigh(-f.weight)
		d.waiting++
	}
	f.state, f.text, f.sum, f.retimed = waiting, nil, nil, false
	f.length.Store(0)
}

// resize sets the length of what was written.
func (f *File) resize(ctx context.Context, size int64) error {
	f.begin()
	switch {
	case size <= f.bytes.Size():
		f.uncut = false
	case f.uncut:
		return errUncut
	}
	if err := f.bytes.Truncate(ctx, size); err != nil {
		return err
	}
	f.written()
	return nil
}

// errUncut refuses a file that would have to have bytes of the one before.
var errUncut = fmt.Errorf("%w: some bytes are left out, and the file that was here before is taken in already; write all of it, or cut it to nothing first", volume.ErrInput)

// written notes that bytes came, or were cut off.
func (f *File) written() {
	f.fresh = true
	f.length.Store(f.bytes.Size())
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	f.attributes.written()
}

// describe says which file an error is about.
func (f *File) describe(err error) error {
	if err == nil {
		return nil
	}
	f.folder.mu.Lock()
	name := f.name
	f.folder.mu.Unlock()
	return f.folder.describe(name, err)
}

// complete reports whether all has come that is going to: somebody closed it, and nobody
// writes any more.
func (f *File) complete() bool {
	if f.failed != nil || f.bytes == nil || f.bytes.Size() == 0 || !f.fresh {
		return false
	}
	for _, u := range f.uploads {
		if !u.done {
			return false
		}
	}
	return true
}

// errEmpty refuses a file without a byte where that can be none.
var errEmpty = fmt.Errorf("%w: it is empty", volume.ErrNotWhole)

// empty reports whether everybody is done with the file and it has not one byte.
func (f *File) empty() bool {
	if f.failed != nil || f.bytes != nil && f.bytes.Size() > 0 {
		return false
	}
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	return f.state == waiting && !slices.ContainsFunc(f.uploads, func(u *Upload) bool { return !u.done })
}

// settle takes the file in if it is complete and has its final name.
func (f *File) settle(ctx context.Context) error {
	f.folder.mu.Lock()
	name, unnamed := f.name, f.gone || f.replaces || Temporary(f.name)
	f.folder.mu.Unlock()
	if !unnamed && f.folder.options.Filled && f.empty() {
		return f.fail(errEmpty)
	}
	if unnamed || !f.complete() {
		return nil
	}
	if err := f.take(ctx, name, f.former); err != nil {
		return f.fail(err)
	}
	return nil
}

// errUnwritten refuses what a program leaves that made a file longer to write to it by mmap(2),
// and could not.
var errUnwritten = fmt.Errorf("%w: no byte was written, the file was only made longer; mapping for writing does not work here: "+
	"write the bytes (array.tofile or numpy.save), or make the file elsewhere and copy it (cp --sparse=never if it holds nothing but zeros)", volume.ErrInput)

// unwritten reports whether parts of the file were never written, and nothing but zeros
// elsewhere: libraries write one byte at the end to make a file longer.
func (f *File) unwritten() bool { return !f.filled && f.covered < f.bytes.Size() }

// same reports whether a file of a size and a time may be the one of the record. Who sets times
// when the file is taken in already has not said which one it is going to be.
func (r record) same(size int64, attributes Attributes) bool {
	return r.known && r.size == size &&
		(r.modified == attributes.Modified.UnixNano() || r.retimed && attributes.Asked.Modified.IsZero())
}

// take takes the file in under a name. One that is the same as a former one was taken in
// with that.
func (f *File) take(ctx context.Context, name string, former record) error {
	facts := f.Facts()
	if f.uncut && facts.Size < f.former.size {
		return errUncut
	}
	if f.unwritten() {
		return errUnwritten
	}
	whole := &Whole{ReaderAt: f.bytes, Spool: f.bytes.File(), Name: name, Size: f.bytes.Size(), Attributes: facts.Attributes}
	result, sum := []byte(nil), []byte(nil)
	retimed := false
	if former.same(whole.Size, facts.Attributes) && f.folder.options.Destination.Stands(former.name) {
		found, err := whole.hash(ctx)
		if err != nil {
			return err
		}
		if bytes.Equal(found, former.sum) {
			result, sum, retimed = former.text, found, former.retimed
		}
	}
	if sum == nil {
		var err error
		result, err = f.folder.options.Destination.Take(ctx, whole)
		if errors.Is(err, ErrNothing) {
			f.fresh = false
			return nil
		}
		if err != nil {
			return err
		}
	}
	if sum == nil && f.folder.options.Receipts {
		// It is taken in, whatever comes of this: without a sum, the same is another file.
		sum, _ = whole.hash(context.WithoutCancel(ctx))
	}
	f.takenIn(name, record{size: whole.Size, retimed: retimed, sum: sum, text: result})
	return nil
}

// takenIn makes the file a receipt, or lets it go where there are none.
func (f *File) takenIn(name string, now record) {
	for _, u := range f.uploads {
		u.spent = true
	}
	_ = f.bytes.Close() // nothing of them is needed any more
	f.bytes, f.fresh, f.uncut, f.former = nil, false, false, record{}
	f.covered, f.filled, f.over = 0, false, false
	d := f.folder
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.options.Receipts {
		d.forget(f)
		return
	}
	if told := d.files[errorName(name)]; told != nil && told.state == refused {
		d.forget(told)
	}
	if f.gone {
		return
	}
	d.waiting--
	f.state, f.takenAs = taken, name
	f.size, f.retimed, f.text, f.sum = now.size, now.retimed, now.text, now.sum
	d.receive(f)
}

// fail ends the file: nothing of it is taken in.
func (f *File) fail(cause error) error {
	if f.failed != nil {
		return f.failed
	}
	f.failed = f.describe(cause)
	d := f.folder
	d.mu.Lock()
	if !f.gone {
		d.forget(f)
		if f.over && d.files[f.name] == nil {
			d.restore(f.name, f.attributes, f.former)
		}
		d.refuse(f.name, f.attributes, cause)
	}
	d.mu.Unlock()
	return errors.Join(f.failed, f.letGo())
}

// end is abandon for the sake of the folder: who has the file open is told.
func (f *File) end(cause error) {
	f.turn.Wait()
	defer f.turn.Give()
	if f.failed == nil {
		f.failed = f.describe(cause)
	}
	f.folder.mu.Lock()
	f.folder.forget(f)
	f.folder.mu.Unlock()
	_ = f.letGo() // nothing of it is needed
}

// abandon takes the file's name away. Who has it open may go on, in vain.
func (f *File) abandon(ctx context.Context) error {
	if err := f.turn.Take(ctx); err != nil {
		return err
	}
	defer f.turn.Give()
	f.folder.mu.Lock()
	f.folder.forget(f)
	f.folder.mu.Unlock()
	return f.letGo()
}

// letGo gives the bytes back when no name leads to them and nobody has them open.
func (f *File) letGo() error {
	if f.bytes == nil || f.failed == nil && len(f.uploads) > 0 {
		return nil
	}
	f.folder.mu.Lock()
	gone := f.gone
	f.folder.mu.Unlock()
	if !gone {
		return nil
	}
	err := f.bytes.Close()
	f.bytes = nil
	return err
}
