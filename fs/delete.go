package fs

import (
	"context"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

// deleteInlet is the file that takes ids of vectors to be deleted. With the suffix of a
// format behind its name, it takes that one only.
func deleteInlet(name string, format vecio.IDFormat) inlet {
	return inlet{name: name, open: func(ctx context.Context, s *catalog.Store) (stream, error) { return s.OpenDelete(ctx, format) }}
}
