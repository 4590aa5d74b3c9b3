package catalog

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

// fileFacts is what a listing has to know about one file.
type fileFacts struct {
	info        volume.FileInfo
	isStore     bool
	identity    lineage.Identity
	hasIdentity bool
	branch      bool  // it shows vectors of its parent
	born        int64 // when it was made, as volume.Peeked says
	unread      error // why it could not be read, for now
}

// listingScan bounds, in bytes, how far a listing searches a damaged file for its
// manifest. Whoever opens the store searches all of it.
const listingScan = 1 << 20

// mayBeStore reports whether a file of this name may be a store: by its extension,
// or, without any, by its first bytes.
func mayBeStore(name string) bool {
	if volume.IsTemporary(name) {
		return false
	}
	_, byName := lineage.ProfileOfName(name)
	return byName || !hasExtension(name)
}

func hasExtension(name string) bool {
	return strings.ContainsRune(strings.TrimLeft(name, "."), '.')
}

// lookReader reads the facts of files, one file after the other.
type lookReader struct {
	files  volume.Listing
	file   tailReader
	memory *memory.Budget
	// reserved is told of a name that is taken, with nothing behind it yet; nil for none.
	reserved func(name string)
}

// factsOf looks at the named file; nil means that it is gone. The former facts are
// taken over when the file has not changed since.
func (r *lookReader) factsOf(name string, former *fileFacts) *fileFacts {
	if former != nil {
		info, err := r.files.Describe(name)
		switch {
		case vanished(err):
			return nil
		case err != nil:
			return former.because(err)
		case former.describe(info):
			return former
		}
	}
	if facts := r.recall(name); facts != nil {
		return facts
	}
	var found *fileFacts
	for try := 1; ; try++ {
		file, info, err := r.files.Peek(name)
		if errors.Is(err, volume.ErrReserved) {
			if r.reserved != nil {
				r.reserved(name)
			}
			return nil
		}
		if err != nil {
			return r.unread(name, former, err)
		}
		r.file.reset(file, info.Size)
		found = readFacts(name, info, &r.file, r.memory)
		found.born = file.Born()
		_ = file.Close()
		if !errors.Is(r.file.failed, volume.ErrStale) || try == looks {
			break
		}
	}
	if r.file.failed != nil && former != nil {
		return former.because(r.file.failed)
	}
	if found.unread = r.file.failed; found.unread == nil {
		if notes, some := r.files.(volume.Notes); some {
			notes.Note(name, volume.Note{Born: found.born, Found: found.encode()})
		}
	}
	return found
}

// recall is what somebody has found in the named file, as it is, before; nil: nobody has.
func (r *lookReader) recall(name string) *fileFacts {
	notes, some := r.files.(volume.Notes)
	if !some {
		return nil
	}
	note, info, known := notes.Recall(name)
	if !known {
		return nil
	}
	found := &fileFacts{info: info, born: note.Born}
	if !found.decode(note.Found) {
		return nil
	}
	return found
}

// The bits of an encoded fileFacts, in front of the identity.
const (
	factIsStore = 1 << iota
	factHasIdentity
	factIsBranch
)

// encode is what was found in the file, without what its volume says of it.
func (f *fileFacts) encode() []byte {
	var bits byte
	for bit, is := range map[byte]bool{factIsStore: f.isStore, factHasIdentity: f.hasIdentity, factIsBranch: f.branch} {
		if is {
			bits |= bit
		}
	}
	encoded, err := f.identity.AppendBinary([]byte{bits})
	if err != nil {
		panic(err) // it is of a fixed size
	}
	return encoded
}

// decode reads what encode wrote, and reports whether it was that.
func (f *fileFacts) decode(encoded []byte) bool {
	if len(encoded) != 1+lineage.IdentitySize {
		return false
	}
	identity, err := lineage.ParseIdentity(encoded[1:])
	bits := encoded[0]
	f.identity, f.isStore, f.hasIdentity, f.branch = identity, bits&factIsStore != 0, bits&factHasIdentity != 0, bits&factIsBranch != 0
	return err == nil
}

// looks bounds how often a file is looked into that others change meanwhile.
const looks = 4

// unread is what is known of a file that cannot be opened. A store that may not be read
// is shown all the same.
func (r *lookReader) unread(name string, former *fileFacts, cause error) *fileFacts {
	info, err := r.files.Describe(name)
	switch {
	case vanished(err):
		return nil
	case err != nil:
		cause = err
	}
	forGood := err == nil && (errors.Is(cause, fs.ErrPermission) || errors.Is(cause, volume.ErrNotRegular) || errors.Is(cause, syscall.ELOOP))
	switch {
	case forGood:
		return &fileFacts{info: info, isStore: isStoreName(name)}
	case former != nil:
		return former.because(cause)
	}
	return &fileFacts{info: info, isStore: isStoreName(name), unread: cause}
}

// because is what was known of a file that cannot be read for now.
func (f *fileFacts) because(cause error) *fileFacts {
	same := *f
	same.unread = cause
	return &same
}

// shown reports whether the file, of which something else was known before, stands in
// the tree as a store. What was a store and is none any more does, and tells why.
func (f *fileFacts) shown(before *fileFacts) bool {
	return f != nil && (f.isStore || before != nil && before.isStore)
}

// unknown is why it is not known what stands at a path, or of which lineage; nil when it
// is.
func (t *tree) unknown(file string) error {
	scan := t.scans[path.Dir(file)]
	switch {
	case scan == nil:
		return nil
	case scan.problem != nil:
		return scan.problem
	}
	if found := scan.stores[path.Base(file)]; found != nil && !found.hasIdentity {
		return found.unread
	}
	return nil
}

// describe reports whether the facts are of a file that info is of, as it is now.
func (f *fileFacts) describe(info volume.FileInfo) bool {
	return f.unread == nil && f.info.Is(info) && f.info.UID == info.UID &&
		f.info.Size == info.Size && f.info.Modified.Equal(info.Modified)
}

func readFacts(name string, info volume.FileInfo, file io.ReaderAt, budget *memory.Budget) *fileFacts {
	found := &fileFacts{info: info}
	if _, found.isStore = lineage.ProfileOfName(name); !found.isStore {
		var start [segments.HeaderSize]byte
		if _, err := file.ReadAt(start[:], 0); err != nil {
			return found
		}
		if _, err := segments.ParseHeader(start[:]); err != nil {
			return found
		}
		found.isStore = true
	}
	charge := budget.Charge()
	defer charge.Free()
	state, err := segments.FindState(file, info.Size, segments.FindOptions{ScanLimit: listingScan, Memory: charge.Set})
	if err != nil {
		return found // shown where its file stands; opening it tells more
	}
	found.identity, found.hasIdentity = state.Manifest.Identity, state.Manifest.HasIdentity
	found.branch = slices.ContainsFunc(state.Manifest.Directory, func(entry segments.DirectoryEntry) bool { return entry.Type == segments.TypeCowMap })
	return found
}
