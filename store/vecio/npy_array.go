package vecio

import (
	"errors"
	"fmt"
	"math"
)

// npyArray is an array as rows of vectors.
type npyArray struct {
	element
	rows      int64
	dimension int // values of a row; any number, even 0, when there are no rows
	line      bool
}

// npyElements are the dtypes that can be vectors. A byte order of the writing
// machine, or none, is taken for little-endian, as NumPy itself does on nearly all of them.
var npyElements = map[string]element{
	"f2": float16Little, "f4": float32Little, "f8": float64Little,
	"u1": byteElement, "|u1": byteElement, "<u1": byteElement, ">u1": byteElement, "=u1": byteElement,
	"i1": signedElement, "|i1": signedElement, "<i1": signedElement, ">i1": signedElement, "=i1": signedElement,
	"<f2": float16Little, "=f2": float16Little, "|f2": float16Little, ">f2": float16Big,
	"<f4": float32Little, "=f4": float32Little, "|f4": float32Little, ">f4": float32Big,
	"<f8": float64Little, "=f8": float64Little, "|f8": float64Little, ">f8": float64Big,
}

// parseNPYArray reads the text of the header of an array of vectors.
func parseNPYArray(text []byte) (npyArray, error) {
	const wanted = "vectors are f2, f4, f8, u1 or i1"
	var array npyArray
	header, err := parseNPYHeader(text, wanted)
	if err != nil {
		return array, err
	}
	known := false
	if array.element, known = npyElements[header.dtype]; !known {
		return array, header.wrongDtype(wanted)
	}
	return array, array.setShape(header.shape, header.fortran)
}

// setShape makes rows out of a shape.
func (a *npyArray) setShape(shape []int64, fortran bool) error {
	values := int64(0)
	switch len(shape) {
	case 1:
		a.line, a.rows, values = true, min(shape[0], 1), shape[0]
	case 2:
		a.rows, values = shape[0], shape[1]
	default:
		return fmt.Errorf("an array of %d dimensions: one is a vector, two are rows of vectors", len(shape))
	}
	if a.rows == 0 {
		return nil
	}
	switch {
	case values < 1 || values > MaxDimension:
		return fmt.Errorf("rows of %d values; 1 to %d are possible", values, MaxDimension)
	case a.rows > math.MaxInt64/(int64(a.size)*values):
		return fmt.Errorf("%d rows of %d values are more than any file holds", a.rows, values)
	case fortran && a.rows > 1 && values > 1:
		return errors.New("the array is in Fortran order, column after column: save numpy.ascontiguousarray of it")
	}
	a.dimension = int(values)
	return nil
}
