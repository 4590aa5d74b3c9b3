package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"rvffs/store/incoming"
	"rvffs/store/ingest"
	"rvffs/store/state"
	"rvffs/store/vecio"
	"rvffs/store/volume"
)

// dropFolder is the folder incoming of a store. It is about one file, like the history:
// what was dropped into another that had the store's name is nobody's business here.
type dropFolder struct {
	of     state.Origin
	folder *incoming.Folder
}

// Incoming is the store's drop folder; nil if nobody has dropped anything yet, unless it
// is to be made.
func (s *Store) Incoming(ctx context.Context, make bool) (*incoming.Folder, error) {
	s.mu.Lock()
	none := s.dropped.folder == nil
	s.mu.Unlock()
	if none && !make {
		return nil, nil
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	former := s.dropped
	if former.folder == nil && make || former.folder != nil && !former.of.Is(snapshot.Origin()) {
		s.dropped = dropFolder{snapshot.Origin(), s.newDropFolder()}
	}
	found := s.dropped.folder
	s.mu.Unlock()
	if former.folder != nil && former.folder != found {
		s.tellDropped(former.folder.Close(state.ErrReplaced))
	}
	return found, nil
}

func (s *Store) newDropFolder() *incoming.Folder {
	first := s.catalog.nextNumber()
	return incoming.New(incoming.Options{
		Destination: intoStore{s}, Receipts: true, Memory: s.catalog.options.Memory,
		Number: func(index uint64) uint64 { return first + index%spanSize },
	})
}

// closeIncoming lets go what waits in the drop folder.
func (s *Store) closeIncoming() {
	s.mu.Lock()
	folder := s.dropped.folder
	s.dropped = dropFolder{}
	s.mu.Unlock()
	if folder != nil {
		s.tellDropped(folder.Close(volume.ErrClosed))
	}
}

// tellDropped says which files were lost that waited for bytes or for their final name.
func (s *Store) tellDropped(names []string) {
	if len(names) > 0 {
		tellNames(s.about(s.catalog.options.Log.Warn()), names)
	}
}

// mostTold bounds how many of them are named.
const mostTold = 20

func tellNames(event *zerolog.Event, names []string) {
	event.Int("files", len(names)).Strs("names", names[:min(mostTold, len(names))]).
		Msg("files in a drop folder were not complete, or had no final name, and are gone")
}

// intoStore takes the vectors of files into a store.
type intoStore struct{ *Store }

var _ incoming.Destination = intoStore{}

// Name implements incoming.Destination.
func (d intoStore) Name() string { return fmt.Sprintf("store %q", d.Path()) }

// Admit implements incoming.Destination: of whoever may write to the store.
func (d intoStore) Admit(ctx context.Context, _ string, _ bool) error {
	ctx, err := d.allowChange(ctx)
	if err != nil {
		return err
	}
	snapshot, err := d.Snapshot(ctx)
	if err != nil {
		return err
	}
	return snapshot.Writable(ctx)
}

// Keep implements incoming.Destination.
func (d intoStore) Keep(ctx context.Context) func(context.Context) context.Context {
	return d.KeepCaller(ctx)
}

// Spool implements incoming.Destination.
func (d intoStore) Spool(ctx context.Context) (volume.Spool, error) {
	return d.Folder().files.shelf().Spool(ctx)
}

// Stands implements incoming.Destination: vectors that were deleted since were taken in all
// the same.
func (d intoStore) Stands(string) bool { return true }

// incomingResult is what a receipt says.
type incomingResult struct {
	Result   string `json:"result"`
	Store    string `json:"store,omitempty"` // that was made
	Format   string `json:"format,omitempty"`
	Accepted uint64 `json:"accepted"`
	Bytes    int64  `json:"bytes"`
	Epoch    uint32 `json:"epoch,omitempty"`
	Time     string `json:"time"`
}

func newIncomingResult(result string, bytes int64) incomingResult {
	return incomingResult{Result: result, Bytes: bytes, Time: time.Now().UTC().Format(time.RFC3339Nano)}
}

// add counts what a stream has brought.
func (r *incomingResult) add(report ingest.StreamReport) {
	r.Format, r.Epoch = report.Format.String(), max(r.Epoch, report.Epoch)
	r.Accepted += report.Accepted
}

// isTable reports whether what a stream that is closed has brought is a table. One without
// rows is a header, to which somebody may append them.
func isTable(stream *ingest.AppendStream) bool { return stream.Format() == vecio.CSV }

// Take implements incoming.Destination with a stream that is all or nothing.
func (d intoStore) Take(ctx context.Context, file *incoming.Whole) ([]byte, error) {
	result := newIncomingResult("taken", file.Size)
	stream, err := d.openAppend(ctx, ingest.StreamOptions{Format: formatOf(file.Name), Whole: true}, result.add)
	if err != nil {
		return nil, err
	}
	if err := pour(ctx, stream, file); err != nil {
		return nil, err
	}
	if result.Accepted == 0 && isTable(stream) {
		return nil, incoming.ErrNothing
	}
	return json.Marshal(result)
}

// pour writes a file to a stream of vectors and commits it, or nothing of it.
func pour(ctx context.Context, stream *ingest.AppendStream, file *incoming.Whole) error {
	err := file.Pour(ctx, func(p []byte) error {
		if err := stream.Afford(ctx, len(p)); err != nil {
			return err
		}
		_, err := stream.Write(ctx, p)
		return err
	})
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return stream.Close(ctx)
	}
	err = stream.Refuse(err) // which says the same where the stream itself has failed
	if closing := stream.Close(ctx); closing != nil {
		err = errors.Join(err, closing)
	}
	return err
}

// formatOf is the format that a file's name forces.
func formatOf(name string) vecio.Format {
	format, _ := vecio.FormatOfSuffix(strings.ToLower(filepath.Ext(name)))
	return format
}
