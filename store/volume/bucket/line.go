package bucket

import (
	"bytes"
	"encoding/json"
	"fmt"

	"rvffs/store/volume"
)

// A store object without extents is the store's file. One with extents begins with a line
// that names them, and its inline bytes follow. What was moved or removed begins with a line
// that says so, and goes on as it was.
const (
	extentsMark = "#rvffs-extents 1 "
	movedMark   = "#rvffs-moved 1 "
)

// line is what stands in front of the inline bytes.
type line struct {
	Log        string    `json:"log"`        // the folder of the extents; empty: there is no line
	Owner      string    `json:"owner"`      // the key of the object, for who finds a copy
	Generation uint64    `json:"generation"` // as the metadata say
	Change     uint64    `json:"change"`     // likewise, so that no two objects are alike
	Base       int64     `json:"base"`       // where the inline bytes begin in the store
	Manifest   int64     `json:"manifest"`   // where the newest one stands
	Extents    []extent  `json:"extents"`
	Retired    []retired `json:"retired,omitempty"`
	Horizon    string    `json:"horizon,omitempty"` // names before it are named here, or never
	Tickets    []ticket  `json:"tickets,omitempty"` // of writers that wait for their turn, in its order
}

// extent is a run of the store's bytes in an object of its own, which never changes.
type extent struct {
	Name   string
	Length int64 // of the store's bytes, without the footer
}

// retired is an extent that is named no more.
type retired struct {
	Name       string
	At         int64  // when that came about, in seconds since 1970
	Generation uint64 // the newest that has named it
}

// ticket is a writer's place in the queue.
type ticket string

// MarshalJSON writes a pair.
func (e extent) MarshalJSON() ([]byte, error) { return json.Marshal([]any{e.Name, e.Length}) }

// UnmarshalJSON reads a pair.
func (e *extent) UnmarshalJSON(b []byte) error {
	return unmarshalList(b, &e.Name, &e.Length)
}

// MarshalJSON writes a triple.
func (r retired) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{r.Name, r.At, r.Generation})
}

// UnmarshalJSON reads a triple.
func (r *retired) UnmarshalJSON(b []byte) error {
	return unmarshalList(b, &r.Name, &r.At, &r.Generation)
}

// unmarshalList reads a list of so many values.
func unmarshalList(b []byte, into ...any) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	if len(list) < len(into) {
		return fmt.Errorf("a list of %d values, want %d", len(list), len(into))
	}
	for i, value := range into {
		if err := json.Unmarshal(list[i], value); err != nil {
			return err
		}
	}
	return nil
}

// cutLine takes a line with a mark off the front of some content.
func cutLine(content []byte, mark string, into any) (rest []byte, has bool, err error) {
	text, has := bytes.CutPrefix(content, []byte(mark))
	if !has {
		return content, false, nil
	}
	text, rest, whole := bytes.Cut(text, []byte("\n"))
	if !whole {
		return nil, true, fmt.Errorf("%w: the line that names the extents has no end", volume.ErrCorrupt)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, true, fmt.Errorf("%w: the line that names the extents: %w", volume.ErrCorrupt, err)
	}
	return rest, true, nil
}

// putLine puts one in front.
func putLine(content []byte, mark string, values any) []byte {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // of strings and numbers
	}
	whole := make([]byte, 0, len(mark)+len(text)+1+len(content))
	whole = append(append(append(whole, mark...), text...), '\n')
	return append(whole, content...)
}

// check refuses a line that contradicts itself.
func (l *line) check(inline int64) error {
	at := int64(0)
	for _, e := range l.Extents {
		if e.Length <= 0 || e.Name == "" || at > l.Base {
			return fmt.Errorf("%w: an extent %q of %d bytes", volume.ErrCorrupt, e.Name, e.Length)
		}
		at += e.Length
	}
	if at != l.Base || l.Manifest < l.Base || l.Manifest > l.Base+inline {
		return fmt.Errorf("%w: extents of %d bytes before inline bytes from %d on, the manifest at %d of %d", volume.ErrCorrupt, at, l.Base, l.Manifest, l.Base+inline)
	}
	return nil
}
