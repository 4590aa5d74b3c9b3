package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"rvffs/store/vecio"
	"rvffs/store/volume"
)

const (
	// MaxQueryBytes is the most that the text of one or more queries may take.
	MaxQueryBytes = 16 << 20
	// DefaultNeighbors is how many neighbors a query asks for that does not say.
	DefaultNeighbors = 10
)

// ParseQueries reads queries as programs write them, for vectors of the given
// dimension, with defaultK neighbors where a query does not say.
//
// The text is JSON if behind an optional byte order mark and white space it begins
// with "{" or "[" and holds nothing but UTF-8 without control characters: queries
// one after the other, or in an array, each of them an object with "vector" or
// "id", and "k" if wanted, or a bare array of numbers. Anything else is rows of
// little-endian float32, one query each.
//
// Errors wrap ErrInput, or ErrTooLarge.
func ParseQueries(text []byte, dimension, defaultK int) ([]Query, error) {
	if len(text) > MaxQueryBytes {
		return nil, fmt.Errorf("query: %w: more than %d bytes", volume.ErrTooLarge, MaxQueryBytes)
	}
	parser := queryParser{defaultK: defaultK}
	var err error
	if isQueryText(text) {
		err = parser.all(bytes.TrimPrefix(text, []byte(byteOrderMark)))
	} else {
		err = parser.rows(text, dimension)
	}
	if err == nil && len(parser.queries) == 0 {
		err = errors.New("nothing is asked")
	}
	if err != nil {
		if !errors.Is(err, volume.ErrTooLarge) {
			err = fmt.Errorf("%w: %w", volume.ErrInput, err)
		}
		return nil, fmt.Errorf("query %d: %w", len(parser.queries), err)
	}
	return parser.queries, nil
}

const byteOrderMark = "\xef\xbb\xbf"

// isQueryText reports whether it is JSON: hardly any raw floats begin with a bracket and
// go on without bytes that no text has.
func isQueryText(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte(byteOrderMark))
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' {
		return false
	}
	control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }
	return utf8.Valid(trimmed) && bytes.IndexFunc(trimmed, control) < 0
}

// queryParser gathers queries.
type queryParser struct {
	defaultK int
	queries  []Query
	wanted   int // neighbors, of all queries
}

// add takes one more query, unless there are too many.
func (p *queryParser) add(q Query) error {
	if q.K < 1 || q.K > MaxNeighbors {
		return fmt.Errorf("k is %d, where 1 to %d can be asked for", q.K, MaxNeighbors)
	}
	if p.wanted += q.K; p.wanted > MaxAnswers {
		return fmt.Errorf("%w: more than %d neighbors asked for at once", volume.ErrTooLarge, MaxAnswers)
	}
	p.queries = append(p.queries, q)
	return nil
}

// rows reads raw vectors.
func (p *queryParser) rows(text []byte, dimension int) error {
	if dimension == 0 {
		return errors.New("neither JSON, nor is there a dimension for raw rows yet")
	}
	if width := 4 * dimension; len(text)%width != 0 {
		return fmt.Errorf("neither JSON nor whole rows: %d bytes, where a row of dimension %d takes %d", len(text), dimension, width)
	}
	for ; len(text) > 0; text = text[4*dimension:] {
		if err := p.add(Query{Vector: decodeVector(text, dimension), K: p.defaultK}); err != nil {
			return err
		}
	}
	return nil
}

// all reads JSON values up to the end.
func (p *queryParser) all(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the JSON ends in the middle of a query")
		} else if err != nil {
			return jsonError(err)
		}
		if err := p.value(value, true); err != nil {
			return err
		}
	}
}

// value reads one query, or where a list may stand, a list of them.
func (p *queryParser) value(value json.RawMessage, list bool) error {
	switch value[0] {
	case '{':
		return p.object(value)
	case '[':
		inner := bytes.TrimLeft(value[1:], " \t\r\n")
		if !list || inner[0] != '{' && inner[0] != '[' {
			return p.vector(value)
		}
		return p.list(value)
	}
	return fmt.Errorf("%.20q is no query: it takes an object or an array of numbers", value)
}

// list reads an array of queries.
func (p *queryParser) list(value json.RawMessage) error {
	decoder := json.NewDecoder(bytes.NewReader(value))
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for decoder.More() {
		var item json.RawMessage
		if err := decoder.Decode(&item); err != nil {
			return err
		}
		if err := p.value(item, false); err != nil {
			return err
		}
	}
	return nil
}

// vector reads a bare array of numbers.
func (p *queryParser) vector(value json.RawMessage) error {
	vector, err := parseVector(value)
	if err != nil {
		return err
	}
	return p.add(Query{Vector: vector, K: p.defaultK})
}

// parseVector reads numbers; null is none.
func parseVector(value json.RawMessage) ([]float32, error) {
	if bytes.Count(value, []byte(",")) >= vecio.MaxDimension {
		return nil, fmt.Errorf("a vector of more than %d values", vecio.MaxDimension)
	}
	var numbers []*float32
	if err := json.Unmarshal(value, &numbers); err != nil {
		return nil, fmt.Errorf("the vector: %w", jsonError(err))
	}
	if len(numbers) == 0 {
		return nil, errors.New("a vector without values")
	}
	vector := make([]float32, len(numbers))
	for i, number := range numbers {
		if number == nil {
			return nil, fmt.Errorf("value %d of the vector is null", i)
		}
		vector[i] = *number
	}
	return vector, nil
}

// object reads a query with names.
func (p *queryParser) object(value json.RawMessage) error {
	var members struct {
		Vector json.RawMessage `json:"vector"`
		ID     *uint64         `json:"id"`
		K      *int            `json:"k"`
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&members); err != nil {
		return jsonError(err)
	}
	if (members.Vector == nil) == (members.ID == nil) {
		return errors.New(`it takes either "vector" or "id"`)
	}
	query := Query{K: p.defaultK}
	if members.K != nil {
		query.K = *members.K
	}
	if members.ID != nil {
		query.ID = *members.ID
		return p.add(query)
	}
	var err error
	if query.Vector, err = parseVector(members.Vector); err != nil {
		return err
	}
	return p.add(query)
}

// jsonError says what is wrong with a query to who wrote it, and may know no Go.
func jsonError(err error) error {
	const unknownField = "json: unknown field "
	if syntax, is := errors.AsType[*json.SyntaxError](err); is {
		return fmt.Errorf("it is no JSON at byte %d: %w", syntax.Offset-1, err)
	}
	if other, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		where := ""
		if other.Field != "" {
			where = fmt.Sprintf("%q: ", other.Field)
		}
		if strings.HasPrefix(other.Value, "number ") {
			return fmt.Errorf("%sthe %s cannot stand here", where, other.Value)
		}
		return fmt.Errorf("%s%s where a number belongs", where, other.Value)
	}
	if name, is := strings.CutPrefix(err.Error(), unknownField); is {
		return fmt.Errorf(`%s is nothing that a query has: it takes "vector" or "id", and "k"`, name)
	}
	return err
}

// AppendAnswers writes answers as lines of JSON, each a neighbor:
// {"id":7,"distance":0.25}. When there are several answers each line begins with
// the number of its query, from 0. A distance that is not finite is null.
func AppendAnswers(text []byte, answers [][]Neighbor) []byte {
	for i, neighbors := range answers {
		for _, neighbor := range neighbors {
			text = append(text, '{')
			if len(answers) > 1 {
				text = append(text, `"query":`...)
				text = strconv.AppendInt(text, int64(i), 10)
				text = append(text, ',')
			}
			text = append(text, `"id":`...)
			text = strconv.AppendUint(text, neighbor.ID, 10)
			text = append(text, `,"distance":`...)
			if math.IsNaN(neighbor.Distance) || math.IsInf(neighbor.Distance, 0) {
				text = append(text, "null"...)
			} else {
				text = strconv.AppendFloat(text, neighbor.Distance, 'g', -1, 64)
			}
			text = append(text, "}\n"...)
		}
	}
	return text
}
