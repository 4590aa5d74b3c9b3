package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"rvffs/store/compute"
	"rvffs/store/ingest"
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

// history keeps the newest reports of a store's streams as text, and the last
// failure. It is about one file, the one in which something was done last: of what was
// written to another that had the store's name, which may have been somebody else's,
// nobody is told.
type history struct {
	mu      sync.Mutex
	of      state.Origin
	lines   []byte
	memory  *memory.Charge // of lines; nil before the first of them is charged for
	failure string
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
	if !h.of.Is(file) {
		h.of, h.failure = file, ""
		h.lines = nil
	}
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

func (h *history) add(r ingest.StreamReport) {
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.belongTo(file)
	h.lines = append(append(h.lines, encoded...), '\n')
	h.forget(logLimit)
	if h.memory == nil {
		return
	}
	for h.memory.Hold(int64(cap(h.lines))) != nil {
		if len(h.lines) <= leastLog {
			h.lines = slices.Clip(h.lines)
			h.memory.Force(int64(cap(h.lines)))
			return
		}
		h.forget(len(h.lines) / 2)
		h.lines = bytes.Clone(h.lines)
	}
}

// forget drops the oldest lines, down to a limit in bytes.
func (h *history) forget(limit int) {
	if over := len(h.lines) - limit; over > 0 {
		end := over + bytes.IndexByte(h.lines[over-1:], '\n')
		h.lines = h.lines[:copy(h.lines, h.lines[end:])]
	}
}

// text is what was told of a file.
func (h *history) text(file state.Origin) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.of.Is(file) {
		return nil
	}
	return bytes.Clone(h.lines)
}
