package segments

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lz4Window is as far as a block of LZ4 can refer back, in bytes.
const lz4Window = 64 << 10

// lz4Block decodes one LZ4 block piece by piece, so that neither the block nor
// what it stands for has to be in memory.
type lz4Block struct {
	source *bufio.Reader
	// window is a ring of the newest bytes; written counts all of them.
	window  [lz4Window]byte
	written int64

	literals int64 // to be copied from the source
	distance int64 // of the match that follows them
	match    int64 // bytes to be repeated
	pending  byte  // the token's length of a match whose distance is not read yet
	state    lz4State
}

// lz4State says what comes next in the source.
type lz4State uint8

const (
	lz4Token    lz4State = iota
	lz4Literals          // bytes as they are
	lz4Distance          // how far back a match lies
	lz4Match             // bytes that came before
)

func newLZ4Block(source io.Reader) *lz4Block {
	return &lz4Block{source: bufio.NewReaderSize(source, 32<<10)}
}

// Read implements io.Reader. A block ends with literals.
func (b *lz4Block) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		var err error
		switch b.state {
		case lz4Token:
			err = b.token()
		case lz4Literals:
			var copied int
			copied, err = b.copyLiterals(p[n:])
			n += copied
		case lz4Distance:
			err = b.reference()
		case lz4Match:
			n += b.copyMatch(p[n:])
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (b *lz4Block) token() error {
	token, err := b.source.ReadByte()
	if err != nil {
		return unexpected(err) // the end is behind literals, nowhere else
	}
	b.pending = token & 0x0F
	b.literals, err = b.length(token >> 4)
	b.state = lz4Literals
	return err
}

// length reads the rest of a length whose first four bits are given.
func (b *lz4Block) length(nibble byte) (int64, error) {
	length := int64(nibble)
	if nibble < 0x0F {
		return length, nil
	}
	for {
		next, err := b.source.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		length += int64(next)
		if length > MaxPayload {
			return 0, fmt.Errorf("%w: LZ4 run of more than %d bytes", ErrPayload, int64(MaxPayload))
		}
		if next < 0xFF {
			return length, nil
		}
	}
}

func (b *lz4Block) copyLiterals(p []byte) (int, error) {
	n, err := io.ReadFull(b.source, p[:min(int64(len(p)), b.literals)])
	b.remember(p[:n])
	b.literals -= int64(n)
	if err != nil {
		return n, unexpected(err)
	}
	if b.literals == 0 {
		b.state = lz4Distance
	}
	return n, nil
}

// reference reads where the next match lies; the end of the block stands here.
func (b *lz4Block) reference() error {
	low, err := b.source.ReadByte()
	if err != nil {
		return err
	}
	high, err := b.source.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	b.distance = int64(low) | int64(high)<<8
	if b.distance == 0 || b.distance > b.written {
		return fmt.Errorf("%w: LZ4 match %d bytes back after %d", ErrPayload, b.distance, b.written)
	}
	extra, err := b.length(b.pending)
	const shortest = 4
	b.match = extra + shortest
	b.state = lz4Match
	return err
}

func (b *lz4Block) copyMatch(p []byte) int {
	n := int(min(int64(len(p)), b.match))
	for i := range n {
		value := b.window[(b.written-b.distance)%lz4Window]
		p[i] = value
		b.window[b.written%lz4Window] = value
		b.written++
	}
	if b.match -= int64(n); b.match == 0 {
		b.state = lz4Token
	}
	return n
}

// remember keeps literals for the matches that follow.
func (b *lz4Block) remember(p []byte) {
	for rest := p[max(0, len(p)-lz4Window):]; len(rest) > 0; {
		at := (b.written + int64(len(p)-len(rest))) % lz4Window
		rest = rest[copy(b.window[at:], rest):]
	}
	b.written += int64(len(p))
}

// unexpected turns an end of the source within something into an error that says
// so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
