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

// appendLog keeps the newest reports of a store's streams as text.
type appendLog struct {
	mu    sync.Mutex
	lines bytes.Buffer
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

func (l *appendLog) add(r store.StreamReport) {
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
	l.append(line)
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

func (l *appendLog) addDeleted(r store.DeleteReport) {
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
	l.append(line)
}

// append adds one line and forgets the oldest where there is no more room.
func (l *appendLog) append(line any) {
	encoded, err := json.Marshal(line)
	if err != nil {
		return // numbers and strings always encode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines.Write(encoded)
	l.lines.WriteByte('\n')
	for l.lines.Len() > logLimit {
		if _, err := l.lines.ReadBytes('\n'); err != nil {
			return
		}
	}
}

func (l *appendLog) text() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.lines.Bytes())
}
