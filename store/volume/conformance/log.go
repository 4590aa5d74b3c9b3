package conformance

import (
	"context"
	"errors"
	"io"
	"path"
	"sync/atomic"
	"testing"

	"rvffs/segments"
	"rvffs/store/shared"
	"rvffs/store/volume"
)

// Ground is a place with nothing in it, as several processes find it, and what may be
// asked of logs there.
type Ground struct {
	// Open opens the place once more, as another process does.
	Open func(t *testing.T) volume.Volume
	// Tears says that bytes which were written and never published can be left behind.
	Tears bool
	// Forgets says that bytes which another generation has replaced, or which were
	// removed, are gone as soon as nobody has them pinned.
	Forgets bool
	// Apart says that what a session writes stands apart until it is published: several
	// processes are at work at the same time, and nobody waits for what others write.
	Apart bool
}

// TestLog tries everything on logs, each time on a ground of its own, and on the shelf of
// a folder that is open as well as on that of one that is opened when it is needed.
func TestLog(t *testing.T, fresh func(t *testing.T) Ground) {
	for shelf, lent := range map[string]bool{"open": false, "lent": true} {
		for name, test := range map[string]func(*logs){
			"creating": creating, "creating at once": creatingAtOnce, "opening": opening, "knowing": knowing, "newest": newest, "closing": closing,
			"turns": turns, "beginning": beginning, "failing": failing, "patience": patience, "ending": ending, "replaced meanwhile": replacedMeanwhile, "mending": mending, "retiring": retiring, "filling": filling,
			"extents": extents, "bodies": bodies, "known lengths": knownLengths, "dropping": dropping, "fronts": fronts,
			"publishing": publishing, "private bytes": privateBytes, "lasting": lasting,
			"generations": generations, "disturbing": disturbing,
			"rewriting": rewriting, "aborting": aborting, "freezing": freezing, "rewriting beside a writer": rewritingBeside, "rewriting in any order": rewritingInAnyOrder,
			"moving": movingLogs, "moving to another folder": movingFar, "removing": removing, "spooling": spooling, "remnants": remnants, "rebuilding": rebuilding,
		} {
			t.Run(name+", shelf "+shelf, func(t *testing.T) {
				t.Parallel()
				test(newLogs(t, fresh(t), lent))
			})
		}
	}
}

// logs are stores on a shelf, as one process has them.
type logs struct {
	t      *testing.T
	ground Ground
	volume volume.Volume
	lent   bool
	folder string // of the shelf
}

// lentFolder is the folder whose shelf is reached when it is needed.
const lentFolder = "shelf"

func newLogs(t *testing.T, ground Ground, lent bool) *logs {
	l := &logs{t: t, ground: ground, folder: "."}
	if l.lent = lent; lent {
		l.folder = lentFolder
	}
	l.open()
	if lent {
		folder(t, l.volume, lentFolder, 0o755)
	}
	return l
}

func (l *logs) open() {
	l.volume = l.ground.Open(l.t)
	l.t.Cleanup(func() {
		if err := l.volume.Close(); err != nil {
			l.t.Errorf("close the place: %v", err)
		}
	})
}

// another are the same stores, as another process has them.
func (l *logs) another() *logs {
	another := *l
	another.open()
	return &another
}

// path is where a store lies in the volume.
func (l *logs) path(name string) string { return path.Join(l.folder, name) }

func (l *logs) shelf() volume.Shelf {
	if !l.lent {
		return l.volume.Shelf()
	}
	lender := &lender{volume: l.volume}
	l.t.Cleanup(func() {
		if held := lender.held.Load(); held != 0 {
			l.t.Errorf("a folder is held %d times at the end", held)
		}
	})
	return l.volume.ShelfOf(lender)
}

// lender opens a folder while somebody needs it.
type lender struct {
	volume volume.Volume
	folder shared.Value[volume.Folder]
	held   atomic.Int64
}

// Hold implements volume.Holder.
func (l *lender) Hold(ctx context.Context) (volume.Folder, error) {
	folder, err := l.folder.Acquire(ctx, func() (volume.Folder, error) { return l.volume.Open(ctx, lentFolder) })
	if err == nil {
		l.held.Add(1)
	}
	return folder, err
}

// Release implements volume.Holder.
func (l *lender) Release() error {
	l.held.Add(-1)
	return l.folder.Release()
}

// image is the content of a store with nothing in it but a number that tells it apart.
func image(t *testing.T, number uint16) []byte {
	t.Helper()
	image, _, err := volume.Lay(0, 1, 1, nil, &segments.Manifest{Epoch: 1, Dimension: number})
	must(t, err)
	return image
}

// create makes a store without content.
func (l *logs) create(name string, number uint16) {
	l.t.Helper()
	must(l.t, l.shelf().Create(l.t.Context(), name, image(l.t, number), 0o640))
}

// log is a store's, not opened.
func (l *logs) log(name string, options volume.LogOptions) volume.Log {
	log := l.shelf().Log(name, options)
	l.t.Cleanup(func() { _, _ = log.Close() })
	return log
}

// opened is a store's, and the version that is found.
func (l *logs) opened(name string) (volume.Log, *volume.Version) {
	l.t.Helper()
	log := l.log(name, volume.LogOptions{})
	version, err := log.Open(l.t.Context(), volume.Known{})
	must(l.t, err)
	return log, version
}

// lists checks which names there are on the shelf.
func (l *logs) lists(want string) {
	l.t.Helper()
	shows(l.t, l.volume, l.folder, want)
}

// newestOf is the newest version, when one is known.
func newestOf(t *testing.T, log volume.Log, known *volume.Version) *volume.Version {
	t.Helper()
	found, err := log.Newest(t.Context(), known)
	must(t, err)
	return found
}

// pinned are the bytes of a version, until the function is called.
func pinned(t *testing.T, version *volume.Version) (io.ReaderAt, func()) {
	t.Helper()
	bytes, err := version.Generation.Pin(t.Context())
	must(t, err)
	return bytes, func() {
		t.Helper()
		must(t, version.Generation.Unpin())
	}
}

// gone checks that the bytes of a version are to be had no more, or still are what they
// were.
func (l *logs) gone(what string, version *volume.Version, texts ...string) {
	l.t.Helper()
	switch _, err := version.Generation.Pin(l.t.Context()); {
	case err != nil:
		fails(l.t, "pin "+what, err, volume.ErrStale)
	case l.ground.Forgets:
		l.t.Errorf("what is %s can still be pinned", what)
		must(l.t, version.Generation.Unpin())
	default:
		shown(l.t, version, 0, texts...)
		must(l.t, version.Generation.Unpin())
	}
}

// ended is a context that has ended.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

var errRefused = errors.New("refused")
