package compute

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"rvffs/store/volume"
)

// headerEdit reads a header.json that was written back. Each field that it brings
// must be one that can be changed, or say what the header says already, or be one
// that only describes.
type headerEdit struct {
	describing []string
	now        map[string]json.RawMessage
	fields     map[string]func(json.RawMessage) error
}

// describing are the fields that tell, of images of every kind, where a segment stands and
// how it is stored. With those that tell what an image of one kind is, and what was found
// out about it, nobody means to change them, and between reading and writing back a
// compaction may have moved the segment, or another image come: what they say is never
// compared.
var describing = []string{"segment_id", "offset", "epoch", "problems", "compression"}

// newHeaderEdit begins with the header as it is now, of whose fields some only describe.
func newHeaderEdit(now any, describe []string) (*headerEdit, error) {
	text, err := json.Marshal(now)
	if err != nil {
		return nil, err
	}
	e := &headerEdit{describing: slices.Concat(describing, describe), fields: map[string]func(json.RawMessage) error{}}
	return e, json.Unmarshal(text, &e.now)
}

// apply takes the document. Errors wrap ErrInput.
func (e *headerEdit) apply(document []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(document, &given); err != nil {
		return fmt.Errorf("%w: header.json: %w", volume.ErrInput, err)
	}
	for name, value := range given {
		if slices.Contains(e.describing, name) {
			continue
		}
		if set, changeable := e.fields[name]; changeable {
			if err := set(value); err != nil {
				return fmt.Errorf("%w: header.json: %s: %w", volume.ErrInput, name, err)
			}
			continue
		}
		now, known := e.now[name]
		switch {
		case !known:
			return fmt.Errorf("%w: header.json: there is no field %q", volume.ErrInput, name)
		case !sameJSON(now, value):
			return fmt.Errorf("%w: header.json: %q cannot be changed", volume.ErrInput, name)
		}
	}
	return nil
}

// sameJSON reports whether two documents are one but for spaces.
func sameJSON(a, b json.RawMessage) bool {
	var left, right bytes.Buffer
	return json.Compact(&left, a) == nil && json.Compact(&right, b) == nil && bytes.Equal(left.Bytes(), right.Bytes())
}

// settable lets a field be set, into what target points to.
func (e *headerEdit) settable(name string, target any) {
	e.fields[name] = func(value json.RawMessage) error { return json.Unmarshal(value, target) }
}

// settableByName lets a field be set by the name of its value. A value without a name can
// stay as it is.
func settableByName[N fmt.Stringer](e *headerEdit, name string, target *N, parse func(string) (N, error)) {
	e.fields[name] = func(value json.RawMessage) error {
		var text string
		err := json.Unmarshal(value, &text)
		if err != nil || text == (*target).String() {
			return err
		}
		*target, err = parse(text)
		return err
	}
}
