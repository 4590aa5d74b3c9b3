package catalog

import (
	"time"

	"github.com/rs/zerolog"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/memory"
	"rvffs/store/state"
)

// Options says how a directory of stores is shown.
type Options struct {
	ReadOnly       bool
	Dimension      int                    // of new root stores, 0: the first vectors fix it
	Metric         segments.Metric        // of new root stores
	Derive         store.Content          // what new derived stores show
	DeriveType     lineage.DerivationType // and how they come from their parents
	AllowNonFinite bool                   // let NaN and infinities into vectors
	FlushBytes     int64                  // streams commit after so many bytes, 0: never
	FlushInterval  time.Duration          // and after so much time, 0: never
	Durability     store.Durability
	Verify         state.VerifyMode
	TurnWait       time.Duration // for another writer; 0: store.DefaultTurnWait
	CompressImages bool          // store embedded images compressed where that pays
	// ListingShare is for places where to look costs the same whether something has changed or not: of
	// the time, reading all folders takes one part in so many at most. 0: as much as it takes.
	ListingShare int
	OpenStores   int            // stores kept open while nobody uses them; 0: 256
	Memory       *memory.Budget // for all that users make the stores hold; nil: no limit
	Keeper       Keeper         // of append.log beyond the end of this process; nil: nobody
	Log          zerolog.Logger
}

func (o Options) openStores() int {
	if o.OpenStores == 0 {
		return 256
	}
	return o.OpenStores
}
