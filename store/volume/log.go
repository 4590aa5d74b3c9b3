package volume

import (
	"context"
	"io"
	"os"
	"time"

	"rvffs/segments"
	"rvffs/store/memory"
)

// Shelf is a folder as the engine reaches the stores in it: by their bare names.
type Shelf interface {
	// Log is the store of a name. Nothing is read before it is opened.
	Log(name string, options LogOptions) Log
	// Create makes a store with this content: whole and lasting, or not at all. It fails
	// with ErrExists when the name is taken.
	Create(ctx context.Context, name string, content []byte, perm os.FileMode) error
	// Adopt is Create for bytes that were written somewhere else, so many of them. Before
	// they have their name, check is told another one at which they lie, and fails if they
	// are not to be kept.
	Adopt(ctx context.Context, name string, from io.ReaderAt, size int64, perm os.FileMode, check func(lying string) error) error
	// Fill is Create for a store that is written by its engine before it has its name: fill
	// is told another one at which it lies, and with its error there is none.
	Fill(ctx context.Context, name string, content []byte, perm os.FileMode, fill func(lying string) error) error
	// Spool makes one beside the stores.
	Spool(ctx context.Context) (Spool, error)
}

// LogOptions say how a log is used.
type LogOptions struct {
	// Memory bounds what is held to find a state; nil does not.
	Memory *memory.Budget
	// Wait is how long another writer is waited for.
	Wait time.Duration
	// Lasting says when what is committed is made to last.
	Lasting Lasting
	// LateLoss is told when commits could not be made to last after they were
	// acknowledged, which LastsAtOnce never does.
	LateLoss func(error)
}

// Lasting says when what was committed is certain to last.
type Lasting uint8

// The promises that a commit can make.
const (
	// LastsAtOnce: before it is acknowledged.
	LastsAtOnce Lasting = iota
	// LastsSoon: some seconds later.
	LastsSoon
	// LastsSomeTime: when the place sees fit.
	LastsSomeTime
)

// Log is one store: bytes that only grow, in versions. Where other bytes take their place,
// as a compaction makes them or another program, a new generation begins. Its methods may
// be called from several goroutines. When a ctx ends, what was asked for is done all the
// same, or fails with the ctx's error and changes nothing.
type Log interface {
	// Name is what the store is called in its folder, and Path how users name it.
	Name() string
	Path() string

	// Open finds the newest version, and goes on from what is known where that still
	// holds. It comes before all else but what is there to bring a store back.
	Open(ctx context.Context, known Known) (*Version, error)
	// Known is what is known of the store, for opening it again.
	Known() Known
	// Newest is the newest version that was published, known itself when there is none
	// newer, or when this process is at work in a session, so that nobody else can
	// publish. What another process has published is found by one cheap question.
	Newest(ctx context.Context, known *Version) (*Version, error)
	// Session takes the writer's turn.
	Session(ctx context.Context, begin Beginning) (Session, error)
	// Active reports whether this process is in a session, and Held whether anybody is.
	Active() bool
	Held(ctx context.Context) bool
	// Close ends the use of the log, but for those who read. It reports whether that was
	// not over before.
	Close() (bool, error)

	// Move gives the store another name. It fails with ErrExists when that is taken.
	Move(ctx context.Context, move Move) error
	// Remove removes the store from a shelf that is its own, but may be reached with
	// somebody else's rights.
	Remove(ctx context.Context, shelf Shelf) error
	// Spool makes one beside the store.
	Spool(ctx context.Context) (Spool, error)
}

// Known is what a closed log knew of its store. The zero Known is nothing.
type Known struct{ Of any }

// Version is a published state of a log. It does not change, and is one with another
// only if it is the same pointer.
type Version struct {
	Generation Generation
	State      *segments.State
	Modified   time.Time // when it was published, as far as the volume knows
	// Number rises with the versions of one Log.
	Number uint64
}

// Generation is a run of bytes that only grows: what was published in it stays as it is,
// unless another program changes it.
type Generation interface {
	// Pin keeps the bytes readable until Unpin, whatever becomes of the store. ErrStale
	// means that they are gone.
	Pin(ctx context.Context) (Bytes, error)
	Unpin() error
	// Info tells about the store as it was found.
	Info() FileInfo
	// Disturbed counts how often somebody else than this process has written to the
	// bytes, and how often within what was published.
	Disturbed() (times, within uint64)
}

// Beginning says how a session begins.
type Beginning struct {
	// Admit judges the store before it is locked or changed.
	Admit func(FileInfo) error
	// Settle is told of the newest version, while nobody else can write, and sees to it
	// that nobody misses what stands in the bytes behind it, for that is cut off then.
	Settle func(newest *Version, bytes Bytes) error
}

// Session is one writer's turn with a log. It lasts from the first byte that is to be
// committed until nothing is left to commit; while it lasts nobody else publishes, or who
// does is found out before anything of this session counts.
type Session interface {
	// Extent begins a segment.
	Extent(spec ExtentSpec) Extent
	// Drop gives extents up.
	Drop(extents ...Extent)
	// Base is the newest version that the session knows: the one that it began with, or
	// published, or that somebody else has published since, as ErrMoved said.
	Base() *Version
	// Publish writes what a commit is made of and makes it count. With ErrMoved the base
	// is another one, and nothing else has changed: the parts are as they were, for a
	// commit on the new base. Where ctx ends before anything is written, nothing has. Any
	// other error ends the session; a version that comes with one counts all the same.
	Publish(ctx context.Context, c Commit) (*Version, error)
	// Confirm makes sure, at the volume itself, that nobody has published since the base,
	// for who finds nothing to commit there. Its errors are those of Publish.
	Confirm(ctx context.Context) error
	// Rewrite begins other bytes.
	Rewrite(ctx context.Context, options RewriteOptions) (Rewrite, error)
	// TakeIDs sets so many ids of segments apart and gives the first.
	TakeIDs(count uint64) uint64
	// Mend writes over published bytes, which are damaged, and makes that last.
	Mend(ctx context.Context, p []byte, offset int64) error
	// Frozen reports whether writers have to wait for a rewrite.
	Frozen() bool
	// Guard makes sure that the store may be changed besides its segments: that the
	// session still is the only one to change it, and that what was committed last is there.
	Guard(ctx context.Context) error
	// Fail ends the session for all its users, and gives the error back: after an error of
	// the place nobody knows what is there behind the last commit. Failed is that error.
	Fail(err error) error
	Failed() error
	// End gives the turn back, and lets go of what was not committed.
	End() error
	// Leave gives the turn back and changes nothing.
	Leave() error
}

// Extent is a segment in the making, which nobody sees before it is published. Write is
// for one goroutine.
type Extent interface {
	// Write appends to the payload, behind its front. It fails with ErrSealed, and takes
	// nothing, when another extent has to go on; a body of known length has room for all of
	// it from its first byte on. After another error the extent must be dropped, and after
	// one of the place see Session.Fail.
	Write(ctx context.Context, p []byte) error
	// ReadBack reads what was written, from a position in the payload on, as it was given.
	// No rewrite may take place meanwhile.
	ReadBack(ctx context.Context, p []byte, at int64) error
	// Complete tells of an extent of known length that all of its body has come, and that
	// its front can be given. Until then, or until it is dropped, commits of others wait.
	Complete()
	// Seal lets the extent grow no further. Settle does so and waits until nothing is
	// written to it any more, or ctx has ended.
	Seal()
	Settle(ctx context.Context) error
	// Entry is how a directory names the extent, which is settled.
	Entry() segments.DirectoryEntry
	// Masked reports whether a manifest must not stand behind these bytes that looks like
	// another one. The extent is settled.
	Masked() bool
}

// Commit is what becomes visible at once.
type Commit struct {
	Stamp    uint64       // of the headers: nanoseconds since 1970
	Parts    []Extent     // settled ones that the manifest names
	Small    []NewSegment // more segments, which it gets to name
	Manifest *segments.Manifest
	// Retired are segments that the manifest names no more, and that others must not find by
	// their type. They are retired as the commit is made to count, not when it has been: what
	// is gone for who goes by the manifest is gone for who goes by types, too.
	Retired []segments.DirectoryEntry
}

// Rewrite is a new generation in the making, which takes the old one's place with all that
// is not committed in it. It has the session's turn to publish while it publishes.
type Rewrite interface {
	// Bytes is what is made: what is written between Tail and the next Advance is private.
	Bytes() Scratch
	// Tail is where the next segment goes. Advance takes what stands before an offset for
	// appended, and Cut takes back what was appended from one on.
	Tail() int64
	Advance(to int64)
	Cut(ctx context.Context, to int64) error
	// Copy appends a run of other bytes and returns where it stands.
	Copy(ctx context.Context, from io.ReaderAt, offset, length int64) (at int64, err error)
	// Put appends a segment.
	Put(ctx context.Context, small NewSegment, stamp uint64) (segments.Segment, error)
	// Settle has what was written last before anybody has to wait for it.
	Settle(ctx context.Context) error
	// Lacks is how many bytes of what is not committed are not carried yet. Carry takes
	// them along, if that is worth it or was begun; room is what the next commit writes
	// besides its segments, at most. MakeRoom gives up what was carried if so many more
	// bytes of segments would reach it.
	Lacks() int64
	Carry(ctx context.Context, room int64) error
	MakeRoom(ctx context.Context, more, room int64) error
	// Freeze keeps writers waiting until Thaw, which has to come also after an error, and
	// tells how many bytes of theirs are not carried yet. Hurry is for who has them wait.
	Freeze(ctx context.Context) (lacking int64, err error)
	Thaw()
	Hurry()
	// Publish puts what was made, which ends with the manifest of a state, in the place of
	// the old bytes, while writers are frozen. It fails with ErrMoved as a session's does.
	// From the moment in which Published reports
	// it, an error is not about that any more.
	Publish(ctx context.Context, found *segments.State) (*Version, error)
	Published() bool
	// Abort gives it up, unless it was published.
	Abort() error
}

// RewriteOptions say how a rewrite goes on.
type RewriteOptions struct {
	// What is read of the old bytes, and written of the new ones, keeps to a pace.
	Reads    func(Bytes) Bytes
	Writes   func(Scratch) Scratch
	Limits   FollowLimits
	Progress Progress
}

// FollowLimits say how a rewrite runs after its writers, in bytes.
type FollowLimits struct {
	Little int64 // may be left for writers to wait for
	Frozen int64 // may be left at most, while it pays to try again
}

// Progress is told how many bytes are to be written, and were.
type Progress interface {
	Expect(bytes int64)
	Done(bytes int64)
}

// Move is how a store gets another name.
type Move struct {
	Shelf Shelf
	Name  string
	// GiveName gives the store that name, in one step; it fails with fs.ErrExist when the
	// name is taken.
	GiveName func() error
	// Remnants are those that go along, each by Along, which fails with fs.ErrExist, too,
	// and is then asked for another name. Moved is told what became of each: the store has
	// its new name by then.
	Remnants func(context.Context) ([]string, error)
	Along    func(remnant, moved string) error
	Moved    func(remnant, moved string, err error)
}

// Torn are stores behind whose published bytes others may stand, of whoever has put them there.
type Torn interface {
	// Length is how many bytes there were when the store was last looked at, published or
	// not, and Raw is all of them, whatever they are.
	Length() int64
	Raw(ctx context.Context) (Bytes, error)
}

// Remnants are what is left of bytes that were written to a store and never published.
// Only a place in which bytes can be torn has any.
type Remnants interface {
	Torn
	// Remnants lists by name what was kept of the store, and OwnRemnants those of the given
	// names that are names of such.
	Remnants(ctx context.Context) ([]string, error)
	OwnRemnants(names []string) []string
	// OpenRemnant opens a remnant. The error is ErrStrangeRemnant where what has the name
	// does not count as one.
	OpenRemnant(ctx context.Context, name string) (Bytes, error)
	// KeepRemnant keeps some of the store's bytes, lastingly, and returns under which name;
	// empty when they are kept already.
	KeepRemnant(ctx context.Context, r Remnant) (name string, err error)
	// RemoveRemnant removes a remnant of which nothing is left to decide upon.
	RemoveRemnant(ctx context.Context, name string) error
	// Rebuild puts a new store in the place of bytes that are none any more. Build sees to
	// it that nothing of these is missed, and gives the new content; with its error nothing
	// changes.
	Rebuild(ctx context.Context, build func(bytes Bytes) (content []byte, err error)) error
	// Extend puts back what was cut off behind the store's bytes, of which there are length.
	// With ErrStale there are others, and nothing changes.
	Extend(ctx context.Context, length int64, missing []byte) error
}

// Remnant is a run of a store's bytes that is to be kept, with what is written before it.
type Remnant struct {
	Offset, Length int64 // in the store's bytes, as a session or a rebuild has them or as they stand there
	Head           []byte
	Epoch          uint32 // of the manifest behind which the bytes stand
	// Same reports whether what is kept there has these bytes already, or more.
	Same func(ctx context.Context, kept Bytes) (bool, error)
}
