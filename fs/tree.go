package fs

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"rvffs/store/catalog"
	"rvffs/store/memory"
	"rvffs/store/volume"
)

const (
	// nameTimeout is how long the kernel may believe a name, and the attributes
	// of a folder, without asking again.
	nameTimeout = time.Second
	// viewTimeout is how long the kernel may believe the attributes of a view.
	// They are renewed with the name; the bytes never change.
	viewTimeout = time.Hour
)

// tree is what all nodes of one mount share.
type tree struct {
	catalog  *catalog.Catalog
	memory   *memory.Budget
	files    map[string]controlFile // of the control folder
	readOnly bool
	views    Views // that are listed
	// strictHashes keeps images from being read that are not what their headers say.
	strictHashes bool
	// device is that of the mount as /proc/PID/mountinfo names it, empty as long as nobody knows.
	device   atomic.Pointer[string]
	log      zerolog.Logger
	expiry   expiry
	drafts   drafts
	open     openViews
	refusals refusals
	partings partings
	overlays overlays
	steady   steadyNodes
	// generation tells apart the nodes that are made afresh at each lookup.
	generation atomic.Uint64
	// closing counts what goes on with nobody to wait for it: streams whose last
	// descriptor is closed, and whose remains are still being judged, among it.
	closing sync.WaitGroup
	// life ends when all that may take long is to end, at the latest with the mount, and
	// is what stop does.
	life context.Context
	stop context.CancelFunc
}

// contentSeed makes the sums of generationOf; they mean nothing to another process.
var contentSeed = maphash.MakeSeed()

// generationOf tells the nodes of one inode number apart by what they say, where
// no count of changes does.
func generationOf(content []byte) uint64 { return maphash.Bytes(contentSeed, content) }

// generationOfText is generationOf for a text about a file.
func generationOfText(file volume.Identity, content []byte) uint64 {
	var sum maphash.Hash
	sum.SetSeed(contentSeed)
	maphash.WriteComparable(&sum, file)
	_, _ = sum.Write(content)
	return sum.Sum64()
}
