package segments

import (
	"bytes"
	"encoding/binary"
	"io"
)

// elfFile is what the beginning of a 64-bit ELF file says.
type elfFile struct {
	order        binary.ByteOrder
	machine      uint16
	entry        uint64
	sections     uint64 // offset of their headers
	sectionCount int
	nameSection  int // index of the section that holds the names of the others
}

const elfHeaderSize = 64

// parseELF reads the header of a 64-bit ELF file; false means that b begins none.
func parseELF(b []byte) (elfFile, bool) {
	if len(b) < elfHeaderSize || string(b[:4]) != "\x7fELF" || b[4] != 2 {
		return elfFile{}, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if b[5] == 2 {
		order = binary.BigEndian
	}
	if order.Uint16(b[58:]) != elfSectionSize {
		return elfFile{order: order, machine: order.Uint16(b[18:]), entry: order.Uint64(b[24:])}, true
	}
	return elfFile{
		order: order, machine: order.Uint16(b[18:]), entry: order.Uint64(b[24:]), sections: order.Uint64(b[40:]),
		sectionCount: int(order.Uint16(b[60:])), nameSection: int(order.Uint16(b[62:])),
	}, true
}

const (
	elfSectionSize = 64
	// elfSections is how many sections are looked at, elfName how many bytes of
	// the name of each.
	elfSections = 4096
	elfName     = 64
)

// elfSection is what a section's header says.
type elfSection struct {
	name       string
	kind       uint32
	flags      uint64
	offset     uint64
	size       uint64
	link       uint32
	nameOffset uint32
}

// readSections reads the headers and names of the first sections of a file of
// size bytes. What lies outside of the file is left out.
func (f elfFile) readSections(r io.ReaderAt, size int64) ([]elfSection, error) {
	count := min(f.sectionCount, elfSections)
	if count == 0 || f.sections > uint64(size) || uint64(size)-f.sections < uint64(count)*elfSectionSize {
		return nil, nil
	}
	raw := make([]byte, count*elfSectionSize)
	if err := readFull(r, raw, int64(f.sections)); err != nil {
		return nil, err
	}
	found := make([]elfSection, count)
	for i := range found {
		b := raw[i*elfSectionSize:]
		found[i] = elfSection{
			nameOffset: f.order.Uint32(b), kind: f.order.Uint32(b[4:]), flags: f.order.Uint64(b[8:]),
			offset: f.order.Uint64(b[24:]), size: f.order.Uint64(b[32:]), link: f.order.Uint32(b[40:]),
		}
	}
	if f.nameSection >= count {
		return found, nil
	}
	names := found[f.nameSection]
	for i := range found {
		name, err := names.text(r, size, found[i].nameOffset)
		if err != nil {
			return nil, err
		}
		found[i].name = name
	}
	return found, nil
}

// within reports whether the section's bytes are all in a file of size bytes.
func (s elfSection) within(size int64) bool {
	return s.offset <= uint64(size) && s.size <= uint64(size)-s.offset
}

// text reads the text at an offset of a section of texts.
func (s elfSection) text(r io.ReaderAt, size int64, offset uint32) (string, error) {
	if !s.within(size) || uint64(offset) >= s.size {
		return "", nil
	}
	b := make([]byte, min(s.size-uint64(offset), elfName))
	if err := readFull(r, b, int64(s.offset)+int64(offset)); err != nil {
		return "", err
	}
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text), nil
}
