package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"rvffs/lineage"
	"rvffs/store"
	"rvffs/store/incoming"
	"rvffs/store/ingest"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// Incoming is the drop folder of a plain folder, from whose files new stores are made.
// Only the topmost folder shows one.
func (f *Folder) Incoming(ctx context.Context, make bool) (*incoming.Folder, error) {
	if err := f.catalog.refresh(ctx); err != nil {
		return nil, err
	}
	return f.dropFolder(&f.dropped, make, func() incoming.Options {
		return incoming.Options{Destination: newStores{intoFolder{f}}, Receipts: true}
	}), nil
}

// Restoring are the files that are about to become stores of this folder, under their own
// names.
func (f *Folder) Restoring(_ context.Context, make bool) (*incoming.Folder, error) {
	return f.dropFolder(&f.restoring, make, func() incoming.Options { return incoming.Options{Destination: restored{intoFolder{f}}, Filled: true} }), nil
}

func (f *Folder) dropFolder(at **incoming.Folder, make bool, options func() incoming.Options) *incoming.Folder {
	f.catalog.mu.Lock()
	defer f.catalog.mu.Unlock()
	if *at == nil && make {
		o := options()
		first := f.catalog.nextNumber()
		o.Memory = f.catalog.options.Memory
		o.Number = func(index uint64) uint64 { return first + index%spanSize }
		*at = incoming.New(o)
		f.catalog.dropFolders = append(f.catalog.dropFolders, *at)
	}
	return *at
}

// intoFolder is what destinations in a plain folder have in common.
type intoFolder struct{ *Folder }

// Name implements incoming.Destination.
func (d intoFolder) Name() string { return fmt.Sprintf("folder %q", d.Path()) }

// Keep implements incoming.Destination.
func (d intoFolder) Keep(ctx context.Context) func(context.Context) context.Context {
	caller := d.catalog.caller(ctx)
	return func(later context.Context) context.Context { return context.WithValue(later, keptCaller{}, caller) }
}

// Spool implements incoming.Destination.
func (d intoFolder) Spool(ctx context.Context) (volume.Spool, error) {
	return d.files.shelf().Spool(ctx)
}

// admit is for whoever may make files in the folder.
func (d intoFolder) admit(ctx context.Context, name string) error {
	if err := d.catalog.checkChange(checkFolderName(name, joinPath(d.Path(), name))); err != nil {
		return err
	}
	return d.mayChange(ctx)
}

// show takes into the tree what was made.
func (d intoFolder) show(ctx context.Context, name string) error {
	c := d.catalog
	return c.afterwards(ctx, func(ctx context.Context) error { return errors.Join(c.refresh(ctx), c.reread(ctx, d.Folder, name)) })
}

// restore makes a store of a file that is one.
func (d intoFolder) restore(ctx context.Context, name string, file *incoming.Whole) error {
	options := store.Options{Shelf: d.files.shelf(), Memory: d.catalog.options.Memory}
	var from io.ReaderAt = file
	if file.Spool != nil {
		from = file.Spool // which can become the store's file itself
	}
	err := store.Restore(ctx, name, from, file.Size, filePerm(file.Attributes.Mode), d.files.as(ctx).shelf(), options)
	if err != nil {
		return err
	}
	asked := file.Attributes.Asked
	asked.Mode = nil
	if asked.UID >= 0 || asked.GID >= 0 || !asked.Modified.IsZero() {
		err := d.files.as(ctx).with(ctx, func(folder volume.Folder) error {
			held, err := folder.Hold(ctx, name)
			if err != nil {
				return err
			}
			return errors.Join(held.Change(ctx, asked), held.Close())
		})
		if err != nil { // which takes nothing from the store
			d.catalog.options.Log.Warn().Err(err).Str("store", joinPath(d.Path(), name)).Msg("the restored store is not like its backup in owner and time")
		}
	}
	return d.show(ctx, name)
}

// restored makes stores of files that are some.
type restored struct{ intoFolder }

var _ incoming.Destination = restored{}

// Restorable reports whether a name is one of a store, or one that a program gives such a
// file until all of it has come.
func Restorable(name string) bool {
	if isStoreName(name) {
		return true
	}
	if !incoming.Temporary(name) || volume.IsTemporary(name) {
		return false
	}
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '~' }) {
		if _, named := lineage.ProfileOfName("x." + part); named {
			return true
		}
	}
	return false
}

// Admit implements incoming.Destination: nothing is replaced.
func (d restored) Admit(ctx context.Context, name string, temporary bool) error {
	if !Restorable(name) || !temporary && !isStoreName(name) {
		return store.CheckName(name)
	}
	if err := d.admit(ctx, name); err != nil || temporary {
		return err
	}
	return d.vacant(ctx, name)
}

// vacant fails where something stands at a name of the folder.
func (f *Folder) vacant(ctx context.Context, name string) error {
	_, err := f.describe(ctx, name)
	if err == nil {
		return fmt.Errorf("%w: %q is there already, and a store is never replaced: restore under another name, or remove it first", volume.ErrExists, name)
	}
	if vanished(err) {
		return nil
	}
	return err
}

// Take implements incoming.Destination.
func (d restored) Take(ctx context.Context, file *incoming.Whole) ([]byte, error) {
	return nil, d.restore(ctx, file.Name, file)
}

// Stands implements incoming.Destination: there are no receipts.
func (d restored) Stands(string) bool { return true }

// newStores makes stores of files of vectors, named after them. A file that is a store is
// restored.
type newStores struct{ intoFolder }

var _ incoming.Destination = newStores{}

// Name implements incoming.Destination.
func (d newStores) Name() string { return "a new store" }

// Admit implements incoming.Destination.
func (d newStores) Admit(ctx context.Context, name string, temporary bool) error {
	if !temporary {
		name = storeNameOf(name)
	}
	return d.admit(ctx, path.Base(name))
}

// storeNameOf is what a store is called that is made of a file: x.rvf of x.npy, whatever
// folder that is in.
func storeNameOf(file string) string {
	file = path.Base(file)
	if isStoreName(file) {
		return file
	}
	if at := strings.LastIndexByte(file, '.'); at > 0 {
		if _, known := vecio.FormatOfSuffix(strings.ToLower(file[at:])); known {
			file = file[:at]
		}
	}
	return file + ".rvf"
}

// Take implements incoming.Destination. The store is shown when it has all vectors.
func (d newStores) Take(ctx context.Context, file *incoming.Whole) ([]byte, error) {
	name := storeNameOf(file.Name)
	if err := d.vacant(ctx, name); err != nil {
		return nil, err
	}
	result := newIncomingResult("made", file.Size)
	result.Store = name
	if isStoreName(path.Base(file.Name)) {
		if err := d.restore(ctx, name, file); err != nil {
			return nil, err
		}
		result.Format = "store"
		return json.Marshal(result)
	}
	if err := d.fill(ctx, name, file, &result); err != nil {
		return nil, err
	}
	if err := d.show(ctx, name); err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// Stands implements incoming.Destination: whoever removes or renames a store may drop its
// file again.
func (d newStores) Stands(name string) bool {
	c := d.catalog
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tree == nil {
		return true
	}
	scan, known := c.tree.scans[d.place.path()]
	return known && scan.stores[storeNameOf(name)] != nil
}

func (d newStores) fill(ctx context.Context, name string, file *incoming.Whole, result *incomingResult) error {
	options := d.catalog.options
	create := store.CreateOptions{
		Dimension: options.Dimension, Metric: options.Metric, Perm: new(filePerm(file.Attributes.Mode)), Shelf: d.files.as(ctx).shelf(),
	}
	engine := store.Options{Shelf: d.files.shelf(), Memory: options.Memory, Durability: options.Durability}
	return store.MakeFilled(ctx, create, engine, func(s *store.Store) error {
		stream, err := s.OpenAppend(ctx, ingest.StreamOptions{
			Format: formatOf(file.Name), Whole: true, AllowNonFinite: options.AllowNonFinite, Report: result.add,
		})
		if err != nil {
			return err
		}
		err = pour(ctx, stream, file)
		if inner := errors.Unwrap(err); inner != nil {
			err = inner // without the name that the store has for now
		}
		switch {
		case err == nil && result.Accepted == 0 && isTable(stream):
			err = incoming.ErrNothing
		case s.Current().Dimension() > 0:
		case err == nil:
			err = fmt.Errorf("%w: the file holds no vectors", volume.ErrInput)
		case result.Format == vecio.RawF32.String():
			err = fmt.Errorf("%w; make the store first, with rvffs create %s --dimension N, and put the file into its folder %s", err, name, NameIncoming)
		}
		return err
	}, func(from string) error {
		err := d.files.as(ctx).with(ctx, func(folder volume.Folder) error {
			if err := folder.Move(ctx, from, name); err != nil {
				return err
			}
			return folder.Settle(ctx, name)
		})
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w: %w", volume.ErrExists, err)
		}
		return err
	})
}
