package vecio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
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
	if quoted := strings.Trim(text, "'\u2019"); quoted != text && isTableNumber([]byte(quoted)) {
		return "has an apostrophe at its begin or end: write digits alone, or double quotes"
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
	if strings.ContainsAny(text, ",'\u00a0\u202f") && isTableNumber([]byte(strings.NewReplacer(",", "", "'", "", "\u00a0", "", "\u202f", "").Replace(text))) || inGroups(text) {
		return "has a separator of thousands: write digits alone"
	}
	return ""
}

// inGroups reports whether a text is a whole number whose digits stand in threes, with spaces
// between.
func inGroups(text string) bool {
	groups := strings.Split(text, " ")
	for i, group := range groups {
		if !isWhole([]byte(group)) || len(group) > 3 || i > 0 && len(group) < 3 {
			return false
		}
	}
	return len(groups) > 1
}

// strangeUnit says what stands before the number of a column's name, or begins it, that is no
// word; empty where a component may be called so, or the name is a number alone.
func strangeUnit(name []byte) string {
	if isWhole(name) || bytes.HasPrefix(name, []byte("Unnamed: ")) {
		return ""
	}
	first, _ := utf8.DecodeRune(name)
	word := strings.ToLower(strings.TrimRight(string(name), "0123456789"))
	switch {
	case spoiledNumber(name) != "":
		return spoiledNumber(name)
	case slices.Contains(missingWords, word), word == "nan", word == "inf", word == "infinity":
		return fmt.Sprintf("has %.20q before its number, which stands for a value that is missing or not finite", name[:len(word)])
	case unicode.IsLetter(first) || first == '_':
		return ""
	}
	begin := bytes.IndexAny(name, "0123456789")
	if begin > 0 {
		return fmt.Sprintf("has %.20q before its number: write numbers alone, and let the names of components begin with a letter", name[:begin])
	}
	text := append(bytes.Clone(name), '\n')
	if _, length, status := parseNumber(text, true); begin == 0 && status == numberOK && length > 0 {
		return fmt.Sprintf("has %.20q behind a number: write numbers alone, and let the names of components begin with a letter", name[length:])
	}
	return "is neither a number nor a name, which begins with a letter"
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

const loneReturns = `lines end with a carriage return alone: write line feeds (tr '\r' '\n')`

// loneReturn reports whether a carriage return stands within a line, or ends the last one
// behind another.
func loneReturn(line []byte) bool {
	return bytes.IndexByte(bytes.TrimRight(line, " \r"), '\r') >= 0
}
