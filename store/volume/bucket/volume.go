package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"rvffs/segments"
	"rvffs/store/memory"
	"rvffs/store/volume"
	"rvffs/store/volume/bucket/metered"
	"rvffs/store/volume/bucket/objects"
)

// Options say how a bucket is used. What is zero has a default.
type Options struct {
	// Prefix is the folder of the bucket that is the topmost one, with a slash at its end, or
	// nothing. Name is what users call it.
	Prefix, Name string
	// Inline and InlineBeside are how many bytes stand in a store object at most: of a store
	// without extents, and beside extents.
	Inline, InlineBeside int64
	// Part is how many bytes of a segment are held until they are sent.
	Part int64
	// Longest is how many bytes the payload of a segment has at most that comes as a stream.
	Longest int64
	// Freshness is how old what is known of a store may be; below zero: not at all old.
	Freshness time.Duration
	// Retain is how long is kept what was replaced.
	Retain time.Duration
	// CommitTimeout is how long it is tried to commit, and Timeout how long an answer is
	// waited for.
	CommitTimeout, Timeout time.Duration
	// Silent is told, once, when the server does not answer, for how long and what came instead,
	// and without an error when it does again; nil: nobody is. It must not wait.
	Silent func(lasted time.Duration, err error)
	// Meter counts what comes of swaps and where blocks are found; nil: nobody does.
	Meter *metered.Meter
	// Memory is charged for blocks that are kept in memory; nil: nobody is.
	Memory *memory.Budget
	// CacheSize bounds the bytes of extents that are kept in memory.
	CacheSize int64
	// Cache keeps blocks of extents longer than this process; nil: nobody does. It is closed
	// with the volume.
	Cache Cache
	// Spool makes room for bytes on this machine; nil: in memory.
	Spool func() (volume.Spool, error)
	// Now is the time; nil: the system's.
	Now func() time.Time
	// UID and GID own what another program has put there.
	UID, GID uint32
	// KeepTombstones is for servers that ignore conditions of a deletion: what was moved or
	// removed stays as a tombstone.
	KeepTombstones bool
	// SwapsParts is for servers that keep the condition of an object in parts, and copy parts of
	// others: what is longer than AtOnce is put in the place of another object then. AtOnce is how
	// many bytes an object has at most that is sent at once.
	SwapsParts bool
	AtOnce     int64
	// ReadOnly has nothing written to the bucket that nobody asks for.
	ReadOnly bool
	// Untidy is for who tidies up himself: nothing is done beside what is asked for.
	Untidy bool
}

// Cache keeps blocks of bytes that never change, by their names, or forgets them.
type Cache interface {
	io.Closer
	// Get fills in a block of this length, and reports its CRC-32C and whether it is there.
	Get(name string, block []byte) (sum uint32, there bool)
	Put(name string, block []byte, sum uint32)
}

// owner is whose is what says nothing of it.
type owner struct{ UID, GID uint32 }

func (v *Volume) owner() owner { return owner{v.options.UID, v.options.GID} }

// withDefaults are options in which all is said.
func (o Options) withDefaults() Options {
	size := func(value *int64, otherwise int64) {
		if *value == 0 {
			*value = otherwise
		}
	}
	span := func(value *time.Duration, otherwise time.Duration) {
		if *value == 0 {
			*value = otherwise
		}
	}
	size(&o.Inline, 256<<10)
	size(&o.InlineBeside, 64<<10)
	size(&o.Part, 8<<20)
	size(&o.Longest, segments.MaxPayload)
	size(&o.CacheSize, 64<<20)
	size(&o.AtOnce, objects.LargestPart)
	span(&o.Freshness, time.Second)
	span(&o.Retain, 24*time.Hour)
	span(&o.CommitTimeout, 30*time.Second)
	span(&o.Timeout, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Silent == nil {
		o.Silent = func(time.Duration, error) {}
	}
	if o.Spool == nil {
		o.Spool = func() (volume.Spool, error) { return &memorySpool{}, nil }
	}
	return o
}

// Volume is a prefix of a bucket, in which stores are.
type Volume struct {
	folder
	objects objects.Bucket
	prefix  string
	options Options
	machine string // this process, among those that read
	blocks  *blocks
	heads   *heads
	pace    pace
	silence silence
	glances glances
	listed  *listed
	hints   hints
	beside  beside

	ctx  context.Context // of reads that nobody waits for by name
	stop context.CancelFunc
	// As many as are read at the same time, of the bucket and of what is kept: who finds what
	// is kept does not wait for the server.
	fetching, finding chan struct{}
	aheads            chan struct{} // of these, who reads ahead
	window            int64         // how far, in bytes
}

var _ volume.Volume = (*Volume)(nil)

// fetches is how many blocks are read at the same time, and fetchesAhead how many of them for who
// does not wait for them yet.
const fetches, fetchesAhead = 10, 8

// Open makes a volume of a bucket. Nothing is asked before somebody needs it.
func Open(bucket objects.Bucket, options Options) *Volume {
	options = options.withDefaults()
	v := &Volume{
		prefix: options.Prefix, options: options, machine: newWriter(),
		blocks: newBlocks(options.CacheSize, options.Memory, options.Meter), heads: newHeads(), fetching: make(chan struct{}, fetches), finding: make(chan struct{}, fetches),
		aheads: make(chan struct{}, fetchesAhead), window: min(blocksAhead*blockSize, options.CacheSize/2),
		listed:  newListed(),
		glances: glances{known: map[string]glanced{}, late: map[string]bool{}},
	}
	v.objects = noting{bucket, v}
	v.ctx, v.stop = context.WithCancel(context.Background())
	v.folder = folder{volume: v, name: "."}
	return v
}

// Name implements volume.Volume.
func (v *Volume) Name() string {
	if v.options.Name != "" {
		return v.options.Name
	}
	return "bucket"
}

// Close implements volume.Folder.
func (v *Volume) Close() error {
	v.hints.close(v)
	v.stop()
	v.beside.end()
	if v.options.Cache != nil {
		return v.options.Cache.Close()
	}
	return nil
}

// Space implements volume.Volume: a bucket has as much as it likes.
func (v *Volume) Space(ctx context.Context) (volume.Space, error) {
	const plenty, block = 1 << 40, 4096
	return volume.Space{
		BlockSize: block, FragmentSize: block, Blocks: plenty, Free: plenty, Available: plenty,
		Files: plenty, FreeFiles: plenty, LongestName: longestName,
	}, ctx.Err()
}

// get asks for an object, again where there is no answer: a question changes nothing.
func (v *Volume) get(ctx context.Context, key string, read objects.Read) (found *objects.Object, err error) {
	err = v.ask(ctx, func(ctx context.Context) (err error) {
		found, err = v.objects.Get(ctx, key, read)
		return err
	})
	if errors.Is(err, objects.ErrNotFound) {
		err = fmt.Errorf("%w: %w", errNoObject, err)
	}
	return found, err
}

// list lists a page.
func (v *Volume) list(ctx context.Context, list objects.List) (page *objects.Page, err error) {
	err = v.ask(ctx, func(ctx context.Context) (err error) {
		page, err = v.objects.List(ctx, list)
		return err
	})
	return page, err
}

// memorySpool is a spool in memory.
type memorySpool struct {
	mu      sync.Mutex
	content []byte
}

// ReadAt implements volume.Spool.
func (s *memorySpool) ReadAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if offset >= int64(len(s.content)) {
		return 0, io.EOF
	}
	n := copy(p, s.content[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements volume.Spool.
func (s *memorySpool) WriteAt(p []byte, offset int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extend(offset + int64(len(p)))
	return copy(s.content[offset:], p), nil
}

// extend puts zeros behind. The caller holds mu.
func (s *memorySpool) extend(to int64) {
	if more := to - int64(len(s.content)); more > 0 {
		s.content = append(s.content, make([]byte, more)...)
	}
}

// SetLength implements volume.Spool.
func (s *memorySpool) SetLength(bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extend(bytes)
	s.content = s.content[:bytes]
	return nil
}

// Close implements volume.Spool.
func (s *memorySpool) Close() error { return nil }
