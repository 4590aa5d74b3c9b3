package segments

import (
	"bytes"
	"encoding/binary"
	"io"
)

// detectPrefix is how much of an image's beginning is looked at, in bytes.
const detectPrefix = 1024

// DetectKernel tells from the image of a kernel, of size bytes, what its header
// should say of it: architecture, type, entry point and whether it can be
// relocated. It knows the boot headers of Linux for x86_64, aarch64 and riscv64,
// ELF files for these machines, and WebAssembly components; any other image is
// KernelCustom for KernelUnknown. It reads the first KiB; errors are those of the
// image's reader.
func DetectKernel(image io.ReaderAt, size int64) (KernelHeader, error) {
	guess := KernelHeader{Architecture: KernelUnknown, Type: KernelCustom, Transport: KernelNoTransport}
	start, err := readStart(image, size, detectPrefix)
	if err != nil {
		return guess, err
	}
	for _, detect := range []func([]byte, *KernelHeader) bool{detectBzImage, detectArm64Image, detectRISCVImage, detectELFKernel, detectComponent} {
		if detect(start, &guess) {
			break
		}
	}
	return guess, nil
}

// readStart reads up to n bytes from the start of r, which has size.
func readStart(r io.ReaderAt, size int64, n int) ([]byte, error) {
	start := make([]byte, max(0, min(int64(n), size)))
	return start, readFull(r, start, 0)
}

// detectBzImage reports whether it is Linux for x86, by the header of its boot
// protocol. Only with the flag for a 64-bit entry point is it a kernel for x86_64.
func detectBzImage(b []byte, guess *KernelHeader) bool {
	const (
		bootFlag    = 0x1FE
		magic       = 0x202
		version     = 0x206
		relocatable = 0x234
		loadFlags   = 0x236
		end         = 0x238
	)
	if len(b) < end || b[bootFlag] != 0x55 || b[bootFlag+1] != 0xAA || string(b[magic:magic+4]) != "HdrS" {
		return false
	}
	guess.Type = KernelMicroLinux
	const withLoadFlags, entry64 = 0x020C, 1
	if binary.LittleEndian.Uint16(b[version:]) >= withLoadFlags && b[loadFlags]&entry64 != 0 {
		guess.Architecture = KernelX86_64
	}
	if b[relocatable] != 0 {
		guess.Flags |= KernelRelocatable
	}
	return true
}

// detectArm64Image reports whether it is the Image of Linux for aarch64.
func detectArm64Image(b []byte, guess *KernelHeader) bool {
	const magic = 56
	if len(b) < 64 || string(b[magic:magic+4]) != "ARM\x64" {
		return false
	}
	guess.Architecture, guess.Type = KernelAArch64, KernelMicroLinux
	return true
}

// detectRISCVImage reports whether it is the Image of Linux for riscv64, by either of
// its magic numbers, of which the first is the older.
func detectRISCVImage(b []byte, guess *KernelHeader) bool {
	const old, magic = 0x30, 0x38
	if len(b) < 64 || string(b[old:old+8]) != "RISCV\x00\x00\x00" && string(b[magic:magic+4]) != "RSC\x05" {
		return false
	}
	guess.Architecture, guess.Type = KernelRISCV64, KernelMicroLinux
	return true
}

// detectELFKernel reports whether it is a 64-bit ELF file, which names its machine.
func detectELFKernel(b []byte, guess *KernelHeader) bool {
	file, ok := parseELF(b)
	if !ok {
		return false
	}
	switch file.machine {
	case 62:
		guess.Architecture = KernelX86_64
	case 183:
		guess.Architecture = KernelAArch64
	case 243:
		guess.Architecture = KernelRISCV64
	}
	guess.EntryPoint = file.entry
	return true
}

// detectComponent reports whether it is a WebAssembly component, which runs anywhere.
func detectComponent(b []byte, guess *KernelHeader) bool {
	if !bytes.HasPrefix(b, []byte(wasmComponentMagic)) {
		return false
	}
	guess.Architecture, guess.Type = KernelUniversal, KernelWASIPreview2
	return true
}
