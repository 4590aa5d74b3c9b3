package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"rvffs/store"
	"rvffs/store/vecio"
)

// logLimit bounds, in bytes, how much of the past an append.log tells.
const logLimit = 256 << 10

// history keeps the newest reports of a store's streams as text, and the last
// failure. It is about the files of one owner: when a file of somebody else's takes
// the store's name, what it says is forgotten.
type history struct {
	mu      sync.Mutex
	owner   uint32
	lines   bytes.Buffer
	failure string
}

// past is the history of the file that is the store now.
func (s *Store) past() *history {
	if info, err := s.info(); err == nil {
		s.history.belongTo(info.UID)
	}
	return &s.history
}

func (h *history) belongTo(owner uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owner != owner {
		h.owner, h.failure = owner, ""
		h.lines.Reset()
	}
}

// fail notes a failure; nil is none.
func (h *history) fail(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure = err.Error()
}

func (h *history) lastFailure() string {
	h.mu.Lock()
	defer h.mu.Unlock()
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

func (h *history) add(r store.StreamReport) {
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
	h.append(line)
	h.fail(r.Err)
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

func (h *history) addDeleted(r store.DeleteReport) {
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
	h.append(line)
	h.fail(r.Err)
}

// append adds one line and forgets the oldest where there is no more room.
func (h *history) append(line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		return // numbers and strings always encode
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines.Write(encoded)
	h.lines.WriteByte('\n')
	for h.lines.Len() > logLimit {
		if _, err := h.lines.ReadBytes('\n'); err != nil {
			return
		}
	}
}

func (h *history) text() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytes.Clone(h.lines.Bytes())
}
