package fs

import (
	"context"

	"rvffs/store/catalog"
	"rvffs/store/vecio"
)

// deleteName is the file that takes ids of vectors to be deleted. With the suffix
// of a format behind it, it takes that one only.
const deleteName = "vectors.delete"

// deleteInlet is vectors.delete, or one of its names that force a format.
func deleteInlet(name string, format vecio.IDFormat) inlet {
	return inlet{name: name, open: func(ctx context.Context, s *catalog.Store) (stream, error) { return s.OpenDelete(ctx, format) }}
}
