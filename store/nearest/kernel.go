package nearest

// kernel computes sums over many rows in float32. Row i begins at byte i × stride
// of rows, at any address, and has as many elements as the query. Every sum may
// have at most len(query)/8 + 16 roundings on its way; see relativeError.
type kernel struct {
	name string
	// squares gives the sums of the squares of the differences.
	squares func(query []float32, rows []byte, stride int, out []float32)
	// products gives the sums of the products, and of the rows' squares.
	products func(query []float32, rows []byte, stride int, out, norms []float32)
}

// portable runs everywhere.
var portable = kernel{"portable", squaresPortable, productsPortable}

// kernels lists those that this machine can run, the best one first.
var kernels = append(machineKernels(), portable)

// roundings bounds the roundings on the way of one element into a sum, and has a few
// to spare for what is done with the sum.
func roundings(dimension int) float64 { return float64(dimension/8 + 16) }

// relativeError bounds the relative error of a kernel's sum: by (1 + 2^-24)^n - 1 for n
// roundings, and a little for the exact distance, whose error is 2^-28 of that.
// It is relative to the sum of the terms' absolute values.
func relativeError(dimension int) float64 {
	n := roundings(dimension) * 0x1p-24
	return 1.01 * n / (1 - n)
}

// absoluteError bounds what is lost of a sum because terms are too small for float32. Each
// of two roundings a term loses half of the smallest float32 at most.
func absoluteError(dimension int) float64 { return float64(dimension+64) * 0x1p-149 }
