package vecio

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// tensor is one of those that a header names.
type tensor struct {
	Dtype   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
	name    string
	element element // of vectors
	width   int     // bytes of an id
	signed  bool
}

// tensorElements are the dtypes that can be vectors, tensorIDs those that can be ids.
var (
	tensorElements = map[string]element{"F64": float64Little, "F32": float32Little, "F16": float16Little, "BF16": bfloat16, "U8": byteElement, "I8": signedElement}
	tensorIDs      = map[string]int{"U64": 8, "I64": 8, "U32": 4, "I32": 4}
)

func (t *tensor) bytes() int64 { return int64(t.Offsets[1] - t.Offsets[0]) }
func (t *tensor) rows() int64  { return t.Shape[0] }

// parseSafetensors finds the vectors in a header, and their ids if it names any.
func parseSafetensors(header []byte) (vectors, ids *tensor, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(header, &members); err != nil {
		return nil, nil, fmt.Errorf("the header is no JSON object: %w", err)
	}
	var tensors []*tensor
	for name, text := range members {
		if name == "__metadata__" {
			continue
		}
		t := &tensor{name: name}
		if err := json.Unmarshal(text, t); err != nil {
			return nil, nil, fmt.Errorf("the tensor %.40q is not described as one: %w", name, err)
		}
		if err := t.check(); err != nil {
			return nil, nil, err
		}
		tensors = append(tensors, t)
	}
	slices.SortFunc(tensors, func(a, b *tensor) int {
		if a.Offsets[0] != b.Offsets[0] {
			return int(min(max(int64(a.Offsets[0])-int64(b.Offsets[0]), -1), 1))
		}
		return int(min(max(int64(a.Offsets[1])-int64(b.Offsets[1]), -1), 1))
	})
	at := uint64(0)
	for _, t := range tensors {
		if t.Offsets[0] != at {
			return nil, nil, fmt.Errorf("the tensor %.40q does not begin where the one before it ends", t.name)
		}
		at = t.Offsets[1]
		_, isID := tensorIDs[t.Dtype]
		_, isVector := tensorElements[t.Dtype]
		switch {
		case isID && len(t.Shape) == 1 && ids == nil && (t.name == "id" || t.name == "ids"):
			ids = t
		case isVector && vectors == nil:
			vectors = t
		default:
			return nil, nil, fmt.Errorf("tensors %s: vectors are one tensor of floats or bytes, and their ids may be a second one, of integers, with the name ids", names(tensors))
		}
	}
	switch {
	case vectors == nil:
		return nil, nil, errors.New("no tensor of floats or bytes, which could be vectors")
	case ids != nil && ids.Offsets[0] > vectors.Offsets[0]:
		return nil, nil, errors.New("the ids stand behind the vectors, and must be known before them: write the tensor of ids first")
	}
	return vectors, ids, nil
}

func names(tensors []*tensor) string {
	var all []string
	for _, t := range tensors[:min(len(tensors), 5)] {
		all = append(all, fmt.Sprintf("%.40q of %.10s", t.name, t.Dtype))
	}
	if len(tensors) > 5 {
		all = append(all, "…")
	}
	return strings.Join(all, ", ")
}

// check holds a tensor's offsets to its shape and dtype.
func (t *tensor) check() error {
	t.element = tensorElements[t.Dtype]
	t.width, t.signed = tensorIDs[t.Dtype], strings.HasPrefix(t.Dtype, "I")
	size := uint64(max(t.element.size, t.width))
	if size == 0 {
		return fmt.Errorf("the tensor %.40q has values of dtype %.20q: vectors are F64, F32, F16, BF16, U8 or I8", t.name, t.Dtype)
	}
	for _, n := range t.Shape {
		if n < 0 || n > 0 && size > math.MaxInt64/uint64(n) {
			return fmt.Errorf("the shape of the tensor %.40q is more than any file holds", t.name)
		}
		size *= uint64(n)
	}
	if len(t.Offsets) != 2 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > math.MaxInt64 || t.Offsets[1]-t.Offsets[0] != size {
		return fmt.Errorf("the tensor %.40q has a shape of %d bytes and other offsets", t.name, size)
	}
	return nil
}
