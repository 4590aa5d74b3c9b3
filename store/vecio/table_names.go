package vecio

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// columnName is a name that is counted, as v7 is: a number with the same text around
// it in all columns of a vector.
type columnName struct {
	before, behind string
	number         string
	counted        bool
}

// readColumnName takes a name apart at the last number in it.
func readColumnName(name []byte) columnName {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	end := bytes.LastIndexFunc(name, isDigit) + 1
	begin := end
	for begin > 0 && isDigit(rune(name[begin-1])) {
		begin--
	}
	return columnName{string(name[:begin]), string(name[end:]), string(name[begin:end]), end > 0}
}

// follows reports whether a column of this name stands behind one of the name before.
func (c columnName) follows(before columnName) bool {
	return c.counted && before.counted && c.before == before.before && c.behind == before.behind && isNextNumber(before.number, c.number)
}

// isNextNumber reports whether next is one more than number, with zeros before it or
// without.
func isNextNumber(number, next string) bool {
	digits := bytes.TrimLeft([]byte(number), "0")
	at := len(digits) - 1
	for ; at >= 0 && digits[at] == '9'; at-- {
		digits[at] = '0'
	}
	if at >= 0 {
		digits[at]++
	} else {
		digits = slices.Insert(digits, 0, '1')
	}
	return string(digits) == string(bytes.TrimLeft([]byte(next), "0"))
}

// checkNames says which of a header's names is neither "id" nor that of a component.
// Components have one name with consecutive numbers.
func (h tableHead) checkNames() error {
	var columns []int
	for i, name := range h.fields {
		if i == h.id {
			continue
		}
		if len(name) == 0 {
			return fmt.Errorf(`column %d has no name: call it "id" if it holds ids, or leave it out (index=False in pandas, row.names=FALSE in R)`, i+1)
		}
		if bytes.HasPrefix(name, []byte("Unnamed: ")) {
			return h.strangeName(i)
		}
		columns = append(columns, i)
	}
	for _, i := range columns {
		if why := strangeUnit(h.fields[i]); why != "" {
			return fmt.Errorf("neither a header nor a row: column %d, %.40q, %s", i+1, h.fields[i], why)
		}
	}
	if len(columns) == 0 {
		return nil
	}
	before := readColumnName(h.fields[columns[0]])
	if !before.counted {
		return h.strangeName(columns[0])
	}
	for at, i := range columns[1:] {
		name := readColumnName(h.fields[i])
		if !name.follows(before) {
			// Of two that do not agree it is the first where those behind it do.
			if at == 0 && len(columns) > 2 && readColumnName(h.fields[columns[2]]).follows(name) {
				i = columns[0]
			}
			return h.strangeName(i)
		}
		before = name
	}
	return nil
}

func (h tableHead) strangeName(column int) error {
	return fmt.Errorf(`column %d, %.40q, is neither "id" nor a component: call it "id" if it holds ids, or leave it out (index=False in pandas); components have one name and consecutive numbers, as v0, v1, v2`,
		column+1, h.fields[column])
}

// countsFrom0 reports whether the columns from first on are 0, 1, 2 and so on, two of
// them or more, as pandas names columns that have no names.
func (h tableHead) countsFrom0(first int) bool {
	if len(h.fields)-first < 2 || string(h.fields[first]) != "0" {
		return false
	}
	for i := first + 1; i < len(h.fields); i++ {
		if len(h.fields[i]) == 0 || h.fields[i][0] == '0' || !isNextNumber(string(h.fields[i-1]), string(h.fields[i])) {
			return false
		}
	}
	return true
}

// onlyZero reports whether a line is 0 alone, as pandas names the only column if it has
// no name; or it is a vector.
func (h tableHead) onlyZero() bool { return len(h.fields) == 1 && string(h.fields[0]) == "0" }

// isWhole reports whether a field is a whole number, written as one.
func isWhole(field []byte) bool {
	return len(field) > 0 && len(bytes.Trim(field, "0123456789")) == 0
}

// allWhole reports whether a line's fields are whole numbers, signs allowed.
func (h tableHead) allWhole() bool {
	for _, field := range h.fields {
		if !isWhole(bytes.TrimLeft(field, "+-")) {
			return false
		}
	}
	return true
}

// errWordVectors refuses the text formats of word vectors.
var errWordVectors = errors.New("word vectors, as word2vec and GloVe write them: their ids are words, and a store has only numbers for ids yet; " +
	`number the words and give the table a header with a column "id"`)

// wordVector reports whether a line is a word and the numbers of its vector.
func (h tableHead) wordVector() bool {
	return h.separator == ' ' && len(h.fields) > 2 && h.words == 1 && h.word == 0 && h.numbers == len(h.fields)-1
}
