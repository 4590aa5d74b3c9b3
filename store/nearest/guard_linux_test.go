package nearest

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestKernelsReadNothingBeyond puts the last row, and the query, in front of pages
// that nobody may touch.
func TestKernelsReadNothingBeyond(t *testing.T) {
	t.Parallel()
	page := unix.Getpagesize()
	guarded := func(length int) []byte {
		t.Helper()
		size := (length+page-1)/page*page + page
		memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := unix.Munmap(memory); err != nil {
				t.Error(err)
			}
		})
		if err := unix.Mprotect(memory[size-page:], unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		return memory[size-page-length : size-page]
	}
	for _, k := range kernels {
		for dimension := 1; dimension <= 130; dimension++ {
			const count = 3
			stride := 8 + 4*dimension
			rows := guarded(count*stride - 8)
			query := unsafe.Slice((*float32)(unsafe.Pointer(&guarded(4 * dimension)[0])), dimension)
			var sums, norms [count]float32
			k.squares(query, rows, stride, sums[:])
			k.products(query, rows, stride, sums[:], norms[:])
		}
	}
}
