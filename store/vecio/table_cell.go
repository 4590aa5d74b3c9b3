package vecio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// missingWords stand in tables where a value is missing.
var missingWords = []string{"na", "n/a", "#n/a", "null", "none", "nil", "-", "--", "?", "missing", "<na>", "nat", "#value!", "#div/0!", "#ref!"}

// spoiledNumber says what keeps a cell from being a number that it was meant to be; it is
// empty where nothing looks like that.
func spoiledNumber(cell []byte) string {
	text := strings.ToLower(string(cell))
	if slices.Contains(missingWords, text) {
		return "is a missing value, and every component needs one"
	}
	for _, minus := range []string{"\u2212", "\u2013", "\u2012", "\ufe63", "\uff0d"} {
		if rest, signed := strings.CutPrefix(text, minus); signed && isTableNumber([]byte(rest)) {
			return `begins with another character than "-": write an ASCII minus sign`
		}
		if strings.Contains(text, "e"+minus) && isTableNumber([]byte(strings.Replace(text, "e"+minus, "e-", 1))) {
			return `has another character than "-" in its exponent: write an ASCII minus sign`
		}
	}
	if strings.Count(text, "d") == 1 && isTableNumber([]byte(strings.Replace(text, "d", "e", 1))) {
		return `has the exponent of Fortran's double precision: write "e" in place of "D"`
	}
	if strings.Count(text, ",") == 1 && !strings.Contains(text, ".") && isTableNumber([]byte(strings.Replace(text, ",", ".", 1))) {
		return "has a decimal comma: write a point"
	}
	if strings.ContainsAny(text, ",'\u00a0\u202f") && isTableNumber([]byte(strings.NewReplacer(",", "", "'", "", "\u00a0", "", "\u202f", "").Replace(text))) {
		return "has a separator of thousands: write digits alone"
	}
	return ""
}

// badCell says what is wrong with a cell that should hold a component.
func badCell(column int, cell []byte) string {
	if len(cell) == 0 {
		return fmt.Sprintf("column %d is empty", column+1)
	}
	if why := spoiledNumber(cell); why != "" {
		return fmt.Sprintf("column %d, %.40q, %s", column+1, cell, why)
	}
	text := append(bytes.Clone(cell), '\n')
	_, length, status := parseNumber(text, true)
	_, wordLength, word := parseNumberWord(text)
	switch {
	case word && wordLength == len(cell):
		return fmt.Sprintf("column %d is %s, which is not a finite number", column+1, cell)
	case length > maxNumberBytes:
		return fmt.Sprintf("column %d is a number of more than %d bytes", column+1, maxNumberBytes)
	case status == numberHuge:
		return fmt.Sprintf("column %d, %.40s, does not fit in a float32", column+1, cell)
	}
	return fmt.Sprintf("column %d, %.40q, is not a number", column+1, cell)
}
