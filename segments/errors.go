package segments

import "errors"

// What a parser can find wrong. All errors of this package that are not I/O
// errors wrap one of these.
var (
	ErrShortHeader = errors.New("segment header is shorter than 64 bytes")
	ErrMagic       = errors.New("no segment header: wrong magic")
	ErrVersion     = errors.New("unknown segment header version")
	ErrPayload     = errors.New("malformed payload")
	ErrTooLarge    = errors.New("payload is too large")
	ErrVecCount    = errors.New("vector count is larger than the payload")
	ErrVecType     = errors.New("vector element type cannot be read")
	ErrVecRange    = errors.New("rows lie outside the segment")
	ErrNoManifest  = errors.New("no valid manifest")
	ErrScanLimit   = errors.New("no valid manifest within the scan limit")
)
