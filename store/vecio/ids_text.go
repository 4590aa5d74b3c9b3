package vecio

import (
	"fmt"
	"math"
)

// textState is what a text of ids may go on with.
type textState uint8

const (
	textBetween   textState = iota // an id, or what opens an array or an object
	textNumber                     // inside a number
	textElement                    // in an array: an element
	textFirst                      // in an array: an element or its end
	textNext                       // in an array: "," or "]"
	textMember                     // in an object: the rest of "id" in quotes
	textColon                      // in an object: ":"
	textValue                      // in an object: a number
	textEndObject                  // in an object: "}"
)

// textExpected says in words what each state waits for.
var textExpected = [...]string{
	textBetween:   "an id: a whole number from 0 to 18446744073709551615",
	textNumber:    "the end of an id",
	textElement:   "an id",
	textFirst:     "an id",
	textNext:      `"," or "]" after an id`,
	textMember:    `the member "id" and no other`,
	textColon:     `":" after "id"`,
	textValue:     "an id: a whole number from 0 to 18446744073709551615",
	textEndObject: `"}" after an id`,
}

const idMember = `"id"`

// textIDs reads decimal numbers. Between arrays and objects white space and commas
// separate; within them JSON's rules hold.
type textIDs struct {
	format  IDFormat
	take    func(uint64)
	state   textState
	array   bool // inside an array
	object  bool // inside an object
	id      uint64
	digits  int
	matched int   // bytes of idMember that were seen
	mark    int   // bytes of a byte order mark in front
	at      int64 // bytes taken
	line    int64
	begun   int64 // where the id, array or object at hand starts
	lineOf  int64 // its line
}

func (d *textIDs) settle() error {
	if d.endsWithID() {
		d.endNumber()
	}
	return nil
}

// endsWithID reports whether the end of the bytes would be that of an id.
func (d *textIDs) endsWithID() bool { return d.state == textNumber && !d.array && !d.object }

func (d *textIDs) unfinished() int64 {
	if d.state == textBetween && !d.inMark() {
		return 0
	}
	return max(1, d.at-d.begun)
}

func (d *textIDs) write(p []byte) error {
	for _, c := range p {
		if err := d.step(c); err != nil {
			return err
		}
		d.at++
		if c == '\n' {
			d.line++
		}
	}
	return nil
}

// inMark reports whether a byte order mark has begun and not ended.
func (d *textIDs) inMark() bool { return d.mark > 0 && d.mark < len(byteOrderMark) }

func (d *textIDs) step(c byte) error {
	if d.at == int64(d.mark) && d.mark < len(byteOrderMark) && c == byteOrderMark[d.mark] {
		d.mark++
		return nil
	}
	if d.inMark() {
		return d.refuse(c)
	}
	if d.state == textNumber {
		if c-'0' < 10 {
			return d.digit(c)
		}
		if !isSpace(c) && c != ',' && (c != ']' || !d.array) && (c != '}' || !d.object) {
			return d.refuse(c)
		}
		d.endNumber()
	}
	if isSpace(c) && d.state != textMember || isSpace(c) && d.matched == 0 {
		return nil
	}
	switch d.state {
	case textBetween, textElement, textFirst:
		if !d.array {
			d.begun, d.lineOf = d.at, d.line
		}
		switch {
		case c-'0' < 10:
			d.state, d.id, d.digits = textNumber, 0, 0
			return d.digit(c)
		case c == '{':
			d.state, d.object, d.matched = textMember, true, 0
			return nil
		case c == '[' && d.state == textBetween:
			d.state, d.array = textFirst, true
			return nil
		case c == ',' && d.state == textBetween:
			return nil
		case c == ']' && d.state == textFirst:
			d.state, d.array = textBetween, false
			return nil
		}
	case textNext:
		switch c {
		case ',':
			d.state = textElement
			return nil
		case ']':
			d.state, d.array = textBetween, false
			return nil
		}
	case textMember:
		if c == idMember[d.matched] {
			if d.matched++; d.matched == len(idMember) {
				d.state = textColon
			}
			return nil
		}
	case textColon:
		if c == ':' {
			d.state = textValue
			return nil
		}
	case textValue:
		if c-'0' < 10 {
			d.state, d.id, d.digits = textNumber, 0, 0
			return d.digit(c)
		}
	case textEndObject:
		if c == '}' {
			d.object = false
			d.ended()
			return nil
		}
	}
	return d.refuse(c)
}

// digit takes a digit. Outside of JSON zeros may stand before a number.
func (d *textIDs) digit(c byte) error {
	digit := uint64(c - '0')
	if d.digits > 0 && d.id == 0 && (d.array || d.object) {
		return d.refuse(c)
	}
	if d.digits == idWidth || d.id > (math.MaxUint64-digit)/10 {
		return d.fail("an id above 18446744073709551615")
	}
	d.id = 10*d.id + digit
	d.digits++
	return nil
}

func (d *textIDs) endNumber() {
	d.take(d.id)
	d.digits = 0
	if d.object {
		d.state = textEndObject
		return
	}
	d.ended()
}

// ended goes on behind an element.
func (d *textIDs) ended() {
	d.state = textBetween
	if d.array {
		d.state = textNext
	}
}

func (d *textIDs) refuse(c byte) error {
	return d.fail("expected %s, found %q at byte %d", textExpected[d.state], c, d.at)
}

func (d *textIDs) fail(format string, arguments ...any) error {
	e := &IDError{Format: d.format, Offset: d.begun, Line: d.lineOf, Reason: fmt.Sprintf(format, arguments...)}
	if d.array || d.state == textBetween {
		e.Offset, e.Line = d.at, d.line
	}
	return e
}
