package segments

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	wasmModuleMagic    = "\x00asm\x01\x00\x00\x00"
	wasmComponentMagic = "\x00asm\x0d\x00\x01\x00"
)

const (
	// wasmSections is how many sections of a module are looked at, wasmImports
	// how many of its imports.
	wasmSections = 1024
	wasmImports  = 4096
	// wasmImportName is the longest name of an imported module that is known.
	wasmImportName = 64
)

// DetectWASM tells from a WebAssembly module, of size bytes, what its header
// should say of it: the target from its kind and what it imports, the number of
// exports and tables, and the pages of memory. What a section holds is taken as far as
// it can be read. The role cannot be told. ErrPayload is bytes that are neither a module
// nor a component, or a module that breaks off; other errors are those of the reader.
func DetectWASM(module io.ReaderAt, size int64) (WASMHeader, error) {
	guess := WASMHeader{Role: WASMExtension}
	start, err := readStart(module, size, len(wasmModuleMagic))
	switch {
	case err != nil:
		return guess, err
	case string(start) == wasmComponentMagic:
		guess.Target = WASMWASIP2
		return guess, nil
	case string(start) != wasmModuleMagic:
		return guess, fmt.Errorf("%w: it is no WebAssembly module: it does not begin with \\0asm and a known version", ErrPayload)
	}
	source := &wasmSource{window: newWindow(module, int64(len(start)), size)}
	whole := source.sections(&guess)
	if source.failed == nil && !whole {
		return guess, fmt.Errorf("%w: the WebAssembly module breaks off within a section", ErrPayload)
	}
	return guess, source.failed
}

// wasmSource reads the parts of a module. Once something cannot be read, all that
// follows is zero; failed is set if that was the reader's fault.
type wasmSource struct {
	window *window
	ended  bool
	failed error
}

func (s *wasmSource) end(err error) {
	s.ended = true
	if err != nil && !errors.Is(err, ErrPayload) {
		s.failed = err
	}
}

func (s *wasmSource) bytes(n int) []byte {
	if s.ended {
		return nil
	}
	b, err := s.window.next(n)
	if err != nil {
		s.end(err)
		return nil
	}
	return b
}

func (s *wasmSource) byte() byte {
	if b := s.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *wasmSource) readUvarint() uint64 {
	if s.ended {
		return 0
	}
	value, _, err := s.window.uvarint()
	if err != nil {
		s.end(err)
		return 0
	}
	return value
}

// skip goes on by n bytes.
func (s *wasmSource) skip(n uint64) {
	if n > uint64(s.window.end-s.window.offset) {
		s.end(nil)
		return
	}
	s.window.seek(s.window.offset + int64(n))
}

// sections goes through the sections of the module, and reports whether it is not cut off
// in one of them. Behind a section that cannot be read nothing is made out any more.
func (s *wasmSource) sections(guess *WASMHeader) (whole bool) {
	const (
		imports = 2
		tables  = 4
		memory  = 5
		exports = 7
	)
	readable := true
	for range wasmSections {
		if s.window.offset == s.window.end {
			return true
		}
		kind := s.byte()
		length := s.readUvarint()
		end := s.window.end
		if s.ended || length > uint64(end-s.window.offset) {
			return false
		}
		behind := s.window.offset + int64(length)
		if !readable {
			kind = 0
		}
		s.window.end = behind // what a section holds beyond its length is not its own
		switch kind {
		case imports:
			s.imports(guess)
		case tables:
			guess.TableCount = uint8(min(s.readUvarint(), math.MaxUint8))
		case memory:
			if s.readUvarint() > 0 {
				s.limits(guess)
			}
		case exports:
			guess.ExportCount = uint16(min(s.readUvarint(), math.MaxUint16))
		}
		if s.failed != nil {
			return false
		}
		readable = readable && !s.ended
		s.ended, s.window.end = false, end
		s.window.seek(behind)
	}
	return true
}

// limits reads the least and the most pages of a memory.
func (s *wasmSource) limits(guess *WASMHeader) {
	bounded := s.byte()&1 != 0
	guess.MinimumPages = uint8(min(s.readUvarint(), math.MaxUint8))
	if bounded {
		guess.MaximumPages = uint8(min(s.readUvarint(), math.MaxUint8))
	}
}

// imports finds out from where the module imports.
func (s *wasmSource) imports(guess *WASMHeader) {
	for range min(s.readUvarint(), wasmImports) {
		length := s.readUvarint()
		if length <= wasmImportName {
			if bytes.HasPrefix(s.bytes(int(length)), []byte("wasi_")) {
				guess.Target = WASMWASIP1
				return
			}
		} else {
			s.skip(length)
		}
		s.skip(s.readUvarint())
		s.description(guess)
		if s.ended {
			return
		}
	}
}

// description goes past what is said of an import.
func (s *wasmSource) description(guess *WASMHeader) {
	switch s.byte() {
	case 0: // function
		s.readUvarint()
	case 1: // table
		s.byte()
		var ignored WASMHeader
		s.limits(&ignored)
	case 2: // memory
		s.limits(guess)
	case 3: // global
		s.bytes(2)
	default:
		s.end(nil)
	}
}
