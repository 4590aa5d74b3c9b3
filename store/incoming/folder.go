package incoming

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"rvffs/store/memory"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

const (
	// mostReceipts bounds the receipts of a folder; the oldest go first.
	mostReceipts = 1 << 16
	// mostWaiting bounds the files that were not taken in yet, of which each may have a
	// file of the volume open.
	mostWaiting = 1 << 10
	// mostFolders bounds the folders in a folder.
	mostFolders = 1 << 12
	// longestName and longestPath are in bytes, the latter from the folder on.
	longestName = 255
	longestPath = 1 << 10
	// fileMemory is what a file takes in memory, besides its texts.
	fileMemory = 512
)

// ErrFull means that a drop folder takes no more of something. To programs it is a full disk.
var ErrFull error = full{}

type full struct{}

func (full) Error() string { return "the drop folder is full" }
func (full) Unwrap() error { return syscall.ENOSPC }

// Options say what a folder is.
type Options struct {
	Destination Destination
	// Receipts has what was taken in and refused stay as files. Without, nothing does.
	Receipts bool
	// Filled refuses files that are empty when they are closed. Without, they wait for bytes.
	Filled bool
	// Memory bounds what is held.
	Memory *memory.Budget
	// Number is an inode number for the file of an index.
	Number func(index uint64) uint64
}

// Folder is a drop folder.
type Folder struct {
	options Options

	mu       sync.Mutex // guards what follows, and names and facts of files
	files    map[string]*File
	folders  map[string]*Subfolder
	receipts []receipt // in order of age; some are gone by now
	waiting  int
	made     uint64
	memory   memory.Charge // of receipts
	held     int64
	removed  [mostRemoved]removed // the newest of them, in a ring
	next     int
}

// receipt is a file when it became one. It may be another by now.
type receipt struct {
	file *File
	made uint64
}

// stands reports whether the receipt is there still. The caller holds the folder's mu.
func (r receipt) stands() bool {
	return !r.file.gone && r.file.state != waiting && r.file.received == r.made
}

// removed is a receipt that somebody has removed. Programs that replace files remove them
// first, and make them anew: tar, and mv between file systems.
type removed struct {
	name string
	by   int // process; 0 is none
	record
}

// mostRemoved is of how many receipts that is remembered.
const mostRemoved = 16

// New makes an empty folder.
func New(options Options) *Folder {
	return &Folder{options: options, files: map[string]*File{}, folders: map[string]*Subfolder{}, memory: options.Memory.Charge()}
}

// Find is the file of a name, nil without one. Of one in a folder below, the name is a path.
func (d *Folder) Find(name string) *File {
	d.mu.Lock()
	f := d.files[name]
	d.mu.Unlock()
	if f == nil || !d.shows(name, f) {
		return nil
	}
	return f
}

// shows reports whether a file is shown by its name. The receipt of what is not there any
// more goes.
func (d *Folder) shows(name string, f *File) bool {
	if former := f.receipt(); !former.known || d.options.Destination.Stands(former.name) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] != f || f.state != taken {
		return true // something else by now
	}
	d.forget(f)
	return false
}

// Listed is one name, of a file or of a folder.
type Listed struct {
	Name   string
	File   *File
	Folder *Subfolder
}

// List gives the names in a folder below, or in this one of no name, in order.
func (d *Folder) List(folder string) []Listed {
	d.mu.Lock()
	list := make([]Listed, 0, len(d.files))
	for name, f := range d.files {
		if base, is := within(folder, name); is {
			list = append(list, Listed{Name: base, File: f})
		}
	}
	for name, f := range d.folders {
		if base, is := within(folder, name); is {
			list = append(list, Listed{Name: base, Folder: f})
		}
	}
	d.mu.Unlock()
	list = slices.DeleteFunc(list, func(l Listed) bool { return l.File != nil && !d.shows(path.Join(folder, l.Name), l.File) })
	slices.SortFunc(list, func(a, b Listed) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// admit says whether a file may have a name.
func (d *Folder) admit(ctx context.Context, name string) error {
	if err := checkLength(name); err != nil {
		return err
	}
	return d.options.Destination.Admit(ctx, name, Temporary(name))
}

// describe says which file it is about.
func (d *Folder) describe(name string, err error) error {
	return fmt.Errorf("take %q into %s: %w", name, d.options.Destination.Name(), err)
}

// Create makes a file on behalf of a process, and opens it. It fails with ErrExists where
// the name is taken.
func (d *Folder) Create(ctx context.Context, name string, by int, attributes Attributes) (*File, *Upload, error) {
	if err := d.admit(ctx, name); err != nil {
		return nil, nil, d.describe(name, err)
	}
	f := &File{folder: d, turn: shared.NewTurn(), name: name, attributes: attributes}
	if err := d.add(f, by); err != nil {
		return nil, nil, d.describe(name, err)
	}
	upload, err := f.Open(ctx, false)
	return f, upload, err
}

func (d *Folder) add(f *File, by int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.files[f.name] != nil || d.folders[f.name] != nil:
		return volume.ErrExists
	case !d.reaches(f.name):
		return volume.ErrNotFound
	case d.waiting >= mostWaiting:
		return fmt.Errorf("%w: %d files wait to be completed or to get their names, which is the most", ErrFull, d.waiting)
	}
	d.number(f)
	d.files[f.name] = f
	d.waiting++
	folder, base := path.Split(f.name)
	if replaced, ours := strings.CutPrefix(base, replacing); ours && d.files[folder+replaced] != nil {
		f.replaces = true
	}
	for i, r := range d.removed {
		if r.name == f.name && r.by == by && by != 0 {
			f.former, d.removed[i] = r.record, removed{}
		}
	}
	return nil
}

// number tells a file apart from all others. The caller holds mu.
func (d *Folder) number(f *File) {
	d.made++
	f.index, f.inode = d.made, d.options.Number(d.made)
}

// forget takes a file's name away. The caller holds mu.
func (d *Folder) forget(f *File) {
	if d.files[f.name] == f {
		delete(d.files, f.name)
	}
	if f.gone {
		return
	}
	f.gone = true
	if f.state == waiting {
		d.waiting--
		return
	}
	d.weigh(-f.weight)
}

// weigh counts what receipts take in memory. The caller holds mu.
func (d *Folder) weigh(more int64) {
	d.held += more
	if more <= 0 {
		d.memory.Force(d.held)
	}
}

// receive makes a file one that is shown for what became of it, and lets the oldest go
// where there are too many of them. The caller holds mu.
func (d *Folder) receive(f *File) {
	d.made++
	f.received = d.made
	if len(d.receipts) > 2*len(d.files)+mostRemoved {
		d.receipts = slices.DeleteFunc(d.receipts, func(r receipt) bool { return !r.stands() })
	}
	d.receipts = append(d.receipts, receipt{f, d.made})
	f.weight = fileMemory + int64(len(f.name)+len(f.text))
	d.weigh(f.weight)
	for len(d.receipts) > mostReceipts || d.memory.Hold(d.held) != nil {
		oldest := d.receipts[0]
		d.receipts = d.receipts[1:]
		if oldest.stands() {
			d.forget(oldest.file)
		}
		if len(d.receipts) == 0 {
			d.memory.Force(d.held)
			return
		}
	}
}

// restore has a receipt stand again, after nothing of what was written over it was taken in. The
// caller holds mu.
func (d *Folder) restore(name string, attributes Attributes, of record) {
	f := &File{folder: d, turn: shared.NewTurn(), name: name, attributes: attributes, state: taken, takenAs: of.name}
	f.attributes.Modified = time.Unix(0, of.modified)
	f.size, f.retimed, f.text, f.sum = of.size, of.retimed, of.text, of.sum
	d.number(f)
	d.files[name] = f
	d.receive(f)
}

// refuse has a file's place taken by one that says why. The caller holds mu.
func (d *Folder) refuse(name string, owner Attributes, cause error) {
	if !d.options.Receipts || Temporary(name) {
		return
	}
	text := cause.Error() + "\n"
	if told := errorName(name); told != name+errorEnding {
		name, text = told, path.Base(name)+": "+text
	} else {
		name = told
	}
	if d.folders[name] != nil || !d.reaches(name) {
		return
	}
	if there := d.files[name]; there != nil {
		if there.state != refused {
			return // somebody's own
		}
		d.forget(there)
	}
	told := &File{folder: d, turn: shared.NewTurn(), name: name, state: refused, text: []byte(text)}
	told.attributes = NewAttributes(owner.Mode&0o444, owner.UID, owner.GID)
	told.size = int64(len(told.text))
	d.number(told)
	d.files[name] = told
	d.receive(told)
}

// Remove takes a name away: of a receipt, of a file that waits, or of one that is being
// written and will not be taken in. The process that does it may be about to make the file
// anew.
func (d *Folder) Remove(ctx context.Context, name string, by int) error {
	f := d.Find(name)
	if f == nil {
		return d.describe(name, volume.ErrNotFound)
	}
	former := f.receipt()
	if err := f.abandon(ctx); err != nil {
		return err
	}
	if former.known {
		d.mu.Lock()
		d.removed[d.next] = removed{name, by, former}
		d.next = (d.next + 1) % mostRemoved
		d.mu.Unlock()
	}
	return nil
}

// Rename gives a file another name, and takes it in where that is the final one of a file
// that is complete. What has the name goes, unless it is to be kept.
func (d *Folder) Rename(ctx context.Context, from, to string, keep bool) error {
	replaced, err := d.rename(ctx, from, to, keep)
	if err == nil && replaced != nil {
		err = replaced.abandon(context.WithoutCancel(ctx))
	}
	return err
}

func (d *Folder) rename(ctx context.Context, from, to string, keep bool) (replaced *File, err error) {
	f := d.Find(from)
	if f == nil {
		return nil, d.describe(from, volume.ErrNotFound)
	}
	if err := f.turn.Take(ctx); err != nil {
		return nil, err
	}
	defer f.turn.Give()
	former := d.Find(to)
	switch {
	case former == f:
		return nil, nil
	case former != nil && keep:
		return nil, d.describe(to, volume.ErrExists)
	}
	if err := d.admit(ctx, to); err != nil {
		return nil, d.describe(to, err)
	}
	if d.options.Filled && !Temporary(to) && f.empty() {
		return nil, d.describe(to, errEmpty)
	}
	d.mu.Lock()
	folder, reached := d.folders[to], d.reaches(to)
	d.mu.Unlock()
	switch {
	case folder != nil:
		return nil, d.describe(to, volume.ErrExists)
	case !reached:
		return nil, d.describe(to, volume.ErrNotFound)
	}
	if f.complete() && !Temporary(to) {
		if err := f.take(ctx, to, former.receipt()); err != nil {
			d.mu.Lock()
			d.refuse(to, f.attributes, err)
			d.mu.Unlock()
			return nil, d.describe(to, err) // and the file waits on: another try, or its end, is its owner's
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.place(f, to), nil
}

// place gives a file a name, and takes it from the one that had it. The caller holds mu.
func (d *Folder) place(f *File, name string) (replaced *File) {
	if f.gone {
		return nil
	}
	if former := d.files[name]; former != nil && former != f {
		replaced = former
		d.forget(former)
	}
	if d.files[f.name] == f {
		delete(d.files, f.name)
	}
	f.name, f.replaces = name, false
	d.files[name] = f
	return replaced
}

// Close ends all that waits: who still writes is told the cause. It names the files that
// have bytes and go without having been taken in.
func (d *Folder) Close(cause error) (dropped []string) {
	d.mu.Lock()
	files := slices.Collect(maps.Values(d.files))
	for name := range d.folders {
		d.weigh(-folderWeight(name))
	}
	clear(d.folders)
	d.mu.Unlock()
	for _, f := range files {
		if f.waits() {
			dropped = append(dropped, f.Name())
		}
		f.end(cause)
	}
	slices.Sort(dropped)
	return dropped
}
