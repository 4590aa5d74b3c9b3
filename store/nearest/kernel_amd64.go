package nearest

import "golang.org/x/sys/cpu"

func machineKernels() []kernel {
	var found []kernel
	if cpu.X86.HasAVX512F {
		found = append(found, kernel{"avx512", onMachine(squaresAVX512), onMachineTwice(productsAVX512)})
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		found = append(found, kernel{"avx2", onMachine(squaresAVX2), onMachineTwice(productsAVX2)})
	}
	return found
}

// onMachine checks that all that the kernel will touch is there.
func onMachine(sums func(query *float32, dimension int, rows *byte, stride, count int, out *float32)) func([]float32, []byte, int, []float32) {
	return func(query []float32, rows []byte, stride int, out []float32) {
		if len(out) == 0 {
			return
		}
		_ = rows[(len(out)-1)*stride:][:4*len(query)]
		sums(&query[0], len(query), &rows[0], stride, len(out), &out[0])
	}
}

// onMachineTwice is onMachine for two sums a row.
func onMachineTwice(sums func(query *float32, dimension int, rows *byte, stride, count int, out, norms *float32)) func([]float32, []byte, int, []float32, []float32) {
	return func(query []float32, rows []byte, stride int, out, norms []float32) {
		if len(out) == 0 {
			return
		}
		_ = rows[(len(out)-1)*stride:][:4*len(query)]
		sums(&query[0], len(query), &rows[0], stride, len(out), &out[0], &norms[:len(out)][0])
	}
}

//go:noescape
func squaresAVX512(query *float32, dimension int, rows *byte, stride, count int, out *float32)

//go:noescape
func productsAVX512(query *float32, dimension int, rows *byte, stride, count int, out, norms *float32)

//go:noescape
func squaresAVX2(query *float32, dimension int, rows *byte, stride, count int, out *float32)

//go:noescape
func productsAVX2(query *float32, dimension int, rows *byte, stride, count int, out, norms *float32)
