package memory

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePage is the size of the system's large pages, on most machines.
const largePage = 2 << 20

// inLargePages asks for large pages around some bytes. The system may have none left, or none at
// all: then nothing is different. Bytes of others around them stay as they are.
func inLargePages(b []byte) {
	if len(b) < largePage {
		return
	}
	first := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := first &^ (largePage - 1)
	to := (first + uintptr(len(b)) + largePage - 1) &^ (largePage - 1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_HUGEPAGE)
}
