package vecio

import (
	"bytes"
	"fmt"
	"math"
)

// npyDescription is what a NumPy file's header says of its array.
type npyDescription struct {
	dtype   string
	fortran bool
	shape   []int64
}

// parseNPYHeader reads the header's text, a Python dictionary with the three
// members that NumPy writes, in any order. wanted is what the reader takes, for the
// error about structured values.
func parseNPYHeader(text []byte, wanted string) (npyDescription, error) {
	p := pythonText{text}
	var header npyDescription
	seen := map[string]bool{}
	if err := p.expect('{'); err != nil {
		return header, err
	}
	for !p.accept('}') {
		name, err := p.quoted()
		if err != nil {
			return header, err
		}
		if seen[name] {
			return header, fmt.Errorf("the header says %q twice", name)
		}
		if err := p.expect(':'); err != nil {
			return header, err
		}
		switch name {
		case "descr":
			header.dtype, err = p.dtype(wanted)
		case "fortran_order":
			header.fortran, err = p.truth()
		case "shape":
			header.shape, err = p.shape()
		default:
			err = fmt.Errorf("the header has a member %.40q, which no NumPy file has", name)
		}
		if err != nil {
			return header, err
		}
		seen[name] = true
		if p.accept(',') {
			continue
		}
		if err := p.expect('}'); err != nil {
			return header, err
		}
		break
	}
	if len(p.space()) > 0 {
		return header, p.unexpected("nothing behind the header's dictionary")
	}
	for _, name := range []string{"descr", "fortran_order", "shape"} {
		if !seen[name] {
			return header, fmt.Errorf("the header does not say %q", name)
		}
	}
	return header, nil
}

// wrongDtype is the error for plain values that are not wanted.
func (h npyDescription) wrongDtype(wanted string) error {
	return fmt.Errorf("values of dtype %.40q: %s", h.dtype, wanted)
}

// pythonText is what is left of a Python literal.
type pythonText struct{ rest []byte }

// space skips white space and returns what is behind it.
func (p *pythonText) space() []byte {
	p.rest = bytes.TrimLeft(p.rest, " \t\r\n")
	return p.rest
}

func (p *pythonText) unexpected(want string) error {
	if len(p.rest) == 0 {
		return fmt.Errorf("malformed header: it ends where %s is expected", want)
	}
	return fmt.Errorf("malformed header: expected %s, found %.20q", want, p.rest)
}

// accept takes c if it comes next, and reports whether it did.
func (p *pythonText) accept(c byte) bool {
	if rest := p.space(); len(rest) == 0 || rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *pythonText) expect(c byte) error {
	if !p.accept(c) {
		return p.unexpected(fmt.Sprintf("%q", c))
	}
	return nil
}

// quoted takes a string. None that is of use here holds an escape.
func (p *pythonText) quoted() (string, error) {
	if rest := p.space(); len(rest) > 0 && (rest[0] == '\'' || rest[0] == '"') {
		end := bytes.IndexByte(rest[1:], rest[0])
		if end >= 0 && bytes.IndexByte(rest[1:1+end], '\\') < 0 {
			p.rest = rest[end+2:]
			return string(rest[1 : 1+end]), nil
		}
	}
	return "", p.unexpected("a string in quotes")
}

// dtype takes the name of the type of the array's values.
func (p *pythonText) dtype(wanted string) (string, error) {
	if rest := p.space(); len(rest) > 0 && (rest[0] == '[' || rest[0] == '(' || rest[0] == '{') {
		return "", fmt.Errorf("structured values of dtype %.60s: %s", rest, wanted)
	}
	return p.quoted()
}

// truth takes True or False.
func (p *pythonText) truth() (bool, error) {
	rest := p.space()
	for _, word := range []string{"False", "True"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			p.rest = rest[len(word):]
			return word == "True", nil
		}
	}
	return false, p.unexpected("True or False")
}

// shape takes a tuple of whole numbers. Python 2 wrote some of them with an L.
func (p *pythonText) shape() ([]int64, error) {
	const most = 32 // dimensions that NumPy knew for most of its life
	if err := p.expect('('); err != nil {
		return nil, err
	}
	var shape []int64
	for !p.accept(')') {
		if len(shape) == most {
			return nil, fmt.Errorf("an array of more than %d dimensions", most)
		}
		n, err := p.whole()
		if err != nil {
			return nil, err
		}
		shape = append(shape, n)
		if p.accept(',') {
			continue
		}
		// A number in brackets without a comma is no tuple.
		if len(shape) == 1 {
			return nil, p.unexpected("a comma")
		}
		if err := p.expect(')'); err != nil {
			return nil, err
		}
		break
	}
	return shape, nil
}

func (p *pythonText) whole() (int64, error) {
	rest := p.space()
	n, digits := int64(0), 0
	for ; digits < len(rest) && rest[digits]-'0' < 10; digits++ {
		digit := int64(rest[digits] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return 0, fmt.Errorf("a length of %.30s… is more than any file holds", rest)
		}
		n = 10*n + digit
	}
	if digits == 0 {
		return 0, p.unexpected("a length")
	}
	p.rest = rest[digits:]
	p.rest = bytes.TrimPrefix(p.rest, []byte("L"))
	return n, nil
}
