package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"rvffs/lineage"
	"rvffs/store/compute"
	"rvffs/store/ingest"
	"rvffs/store/journal"
	"rvffs/store/memory"
	"rvffs/store/state"
	"rvffs/store/vecio"
)

const (
	// logLimit bounds, in bytes, how much of the past an append.log tells.
	logLimit = 256 << 10
	// leastLog is how much it tells where memory is short.
	leastLog = 8 << 10
)

// Keeper keeps logs beyond the end of this process. It takes lines without waiting for a
// disk.
type Keeper interface {
	Load(log string) ([]byte, error)
	Keep(log string, lines []byte)
	// Move has a log be kept under another name, in the place of what is kept there.
	Move(log, to string)
}

// history keeps the newest reports of a store's streams as text, and the last
// failure. It is about one file, the one in which something was done last: of what was
// written to another that had the store's name, which may have been somebody else's,
// nobody is told.
type history struct {
	mu      sync.Mutex
	of      state.Origin
	log     *journal.Log   // nil before the first line
	memory  *memory.Charge // of log; nil before the first line is charged for
	failure string
	// path is the store's when it was found out under which name the log is kept; both
	// are "" before, and name where nobody keeps logs.
	path, name string
	keeper     Keeper
}

// charge makes the lines count against a budget. The charge ends with the history.
func (h *history) charge(budget *memory.Budget) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.memory != nil {
		return
	}
	charge := budget.Charge()
	h.memory = &charge
	runtime.AddCleanup(h, (*memory.Charge).Free, h.memory)
}

// belongTo makes it a history of this file. The caller holds mu.
func (h *history) belongTo(file state.Origin) {
	if h.of.Is(file) {
		return
	}
	h.of, h.failure, h.path, h.name = file, "", "", ""
	if h.log != nil {
		h.log.Shrink(0) // also for those who follow it
		h.log = nil
	}
}

// lines is the log. The caller holds mu.
func (h *history) lines() *journal.Log {
	if h.log == nil {
		h.log = journal.New()
	}
	return h.log
}

// remembers reports whether what was kept of the log of a file at a path is part of it.
func (h *history) remembers(file state.Origin, path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of.Is(file) && h.path == path
}

// remember makes what was kept of the log of a file, under a name, part of it, and gives
// the path that the store had when it did so before; "" the first time.
func (h *history) remember(file state.Origin, path, name string, before []byte, keeper Keeper) (former string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.belongTo(file)
	former, h.path, h.name, h.keeper = h.path, path, name, keeper
	if former != "" {
		return former
	}
	if since := h.lines().Text(); len(since) > 0 {
		before = append(before, since...)
		h.log.Shrink(0)
		h.log = journal.New()
	}
	h.add(before)
	return ""
}

// remember has the store's history begin with what was kept of it. The name goes by the
// file's owner as well as by its id, which anybody may copy, so that nobody reads what
// became of another's vectors.
func (s *Store) remember(ctx context.Context, snapshot *state.Snapshot) error {
	s.history.charge(s.catalog.options.Memory)
	file, path, keeper := snapshot.Origin(), s.Path(), s.catalog.options.Keeper
	if s.history.remembers(file, path) {
		return nil
	}
	if s.history.isOfAnother(file) {
		// Somebody exchanged the file, and the new one may have stood elsewhere.
		if err := s.catalog.readNow(ctx); err != nil {
			return err
		}
	}
	former := s.takeFormer()
	for _, before := range former {
		if before.store != nil {
			s.history.inherit(&before.store.history, file)
		}
	}
	if keeper == nil {
		s.history.remember(file, path, "", nil, nil)
		return nil
	}
	info, err := snapshot.FileInfo(ctx)
	if err != nil {
		return err
	}
	identity, _ := snapshot.Identity()
	name := keptName(path, identity.FileID, info.UID)
	var before []byte
	if !s.history.isOf(file) {
		moveKept(keeper, former, name, identity.FileID, info.UID)
		if before, err = keeper.Load(name); err != nil {
			s.about(s.catalog.options.Log.Warn()).Err(err).Msg("what was kept of append.log cannot be read")
		}
	}
	if was := s.history.remember(file, path, name, before, keeper); was != "" && was != path {
		keeper.Move(keptName(was, identity.FileID, info.UID), name)
	}
	return nil
}

// moveKept has what was kept of a log while its file had former names, the newest first,
// and nobody looked at it, be kept under its name of now.
func moveKept(keeper Keeper, former []formerName, name string, id lineage.FileID, owner uint32) {
	for _, place := range slices.Backward(former) {
		if was := keptName(place.path, id, owner); place.sure && was != name {
			keeper.Move(was, name)
		}
	}
}

// keepRenamed does that for stores that nobody has looked at since they were renamed.
func (c *Catalog) keepRenamed() {
	type moved struct {
		store *Store
		path  string
		file  *fileFacts
	}
	if c.options.Keeper == nil {
		return
	}
	var all []moved
	c.mu.Lock()
	for s := range c.stores {
		if len(s.former) > 0 {
			path := s.place.path()
			all = append(all, moved{s, path, c.tree.factsOf(path)})
		}
	}
	c.mu.Unlock()
	for _, m := range all {
		if m.file == nil || m.store.history.knows(m.path) {
			continue
		}
		id, owner := m.file.identity.FileID, m.file.info.UID
		moveKept(c.options.Keeper, m.store.takeFormer(), keptName(m.path, id, owner), id, owner)
	}
}

// knows reports whether what was kept of the log of whatever stands at a path is part of it.
func (h *history) knows(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.path == path
}

// keptName is the name under which the log of a store is kept.
func keptName(path string, id lineage.FileID, owner uint32) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%x %d %s", id, owner, path)
	return "append-" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// fail notes a failure; nil is none.
func (h *history) fail(file state.Origin, err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.belongTo(file)
	h.failure = err.Error()
}

// lastFailure is that of a file; "" if there was none.
func (h *history) lastFailure(file state.Origin) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.of.Is(file) {
		return ""
	}
	return h.failure
}

type logLine struct {
	Time     string `json:"time"`
	Format   string `json:"format"`
	Accepted uint64 `json:"accepted"`
	Rejected uint64 `json:"rejected"`
	Bytes    int64  `json:"bytes"`
	Epoch    uint32 `json:"epoch,omitempty"`
	Error    string `json:"error,omitempty"`
	Line     int64  `json:"line,omitempty"`
	Offset   *int64 `json:"offset,omitempty"`
}

func (h *history) addAppended(r ingest.StreamReport) {
	line := logLine{
		Time: r.Time.UTC().Format(time.RFC3339Nano), Format: r.Format.String(),
		Accepted: r.Accepted, Rejected: r.Rejected, Bytes: r.Bytes, Epoch: r.Epoch,
	}
	if r.Err != nil {
		line.Error = r.Err.Error()
		if record := (*vecio.RecordError)(nil); errors.As(r.Err, &record) {
			line.Line, line.Offset = record.Line, &record.Offset
		}
	}
	h.append(r.Origin, line)
	h.fail(r.Origin, r.Err)
}

// deleteLine tells of a stream of ids.
type deleteLine struct {
	Time    string `json:"time"`
	Format  string `json:"format"`
	Deleted uint64 `json:"deleted"`
	Missing uint64 `json:"missing"`
	Bytes   int64  `json:"bytes"`
	Epoch   uint32 `json:"epoch,omitempty"`
	Error   string `json:"error,omitempty"`
	Line    int64  `json:"line,omitempty"`
	Offset  *int64 `json:"offset,omitempty"`
}

func (h *history) addDeleted(r ingest.DeleteReport) {
	line := deleteLine{
		Time: r.Time.UTC().Format(time.RFC3339Nano), Format: "ids " + r.Format.String(),
		Deleted: r.Deleted, Missing: r.Missing, Bytes: r.Bytes, Epoch: r.Epoch,
	}
	if r.Err != nil {
		line.Error = r.Err.Error()
		if bad := (*vecio.IDError)(nil); errors.As(r.Err, &bad) {
			line.Line, line.Offset = bad.Line, &bad.Offset
		}
	}
	h.append(r.Origin, line)
	h.fail(r.Origin, r.Err)
}

// removeLine tells of images that were taken out of the store.
type removeLine struct {
	Time    string   `json:"time"`
	Removed string   `json:"removed"`
	Images  []string `json:"images,omitempty"`
	Epoch   uint32   `json:"epoch,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// addRemoved notes what became of a command to take something out of a file.
func (h *history) addRemoved(file state.Origin, what string, removal compute.Removal, err error) {
	line := removeLine{Time: time.Now().UTC().Format(time.RFC3339Nano), Removed: what, Images: removal.Images, Epoch: removal.Epoch}
	if err != nil {
		line.Error = err.Error()
	}
	h.append(file, line)
	h.fail(file, err)
}

// append adds one line and forgets the oldest where there is no more room.
func (h *history) append(file state.Origin, line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		return // numbers and strings always encode
	}
	encoded = append(encoded, '\n')
	h.mu.Lock()
	h.belongTo(file)
	h.add(encoded)
	keeper, name := h.keeper, h.name
	h.mu.Unlock()
	if name != "" {
		keeper.Keep(name, encoded)
	}
}

// add adds whole lines. The caller holds mu.
func (h *history) add(lines []byte) {
	log := h.lines()
	held := log.Append(lines, logLimit)
	if h.memory == nil {
		return
	}
	for h.memory.Hold(int64(held)) != nil {
		first, end := log.Extent()
		if size := int(end - first); size > leastLog {
			held = log.Shrink(size / 2)
			continue
		}
		h.memory.Force(int64(log.Shrink(leastLog)))
		return
	}
}

// logOf is the log of a file.
func (h *history) logOf(file state.Origin) *journal.Log {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.belongTo(file)
	return h.lines()
}
