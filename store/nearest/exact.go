package nearest

import (
	"encoding/binary"
	"math"

	"rvffs/segments"
)

// smallestNorms is the product of two norms below which vectors have no angle
// between them: their cosine is 0. It is that of the reference runtime.
const smallestNorms = 0x1p-23

// exactDistance is the distance in float64 between a query and a row of as many
// little-endian float32. The sums have four parts, always the same ones, and no
// multiplication is fused with an addition, so that every machine gives the same
// bits.
func exactDistance(metric segments.Metric, query []float32, queryNorm float64, row []byte) float64 {
	if metric == segments.L2 {
		return squares(query, row)
	}
	product, square := products(query, row)
	if metric == segments.InnerProduct {
		return 0 - product // not -product: of nothing there is no negative
	}
	norms := queryNorm * math.Sqrt(square)
	if norms < smallestNorms {
		return 1
	}
	distance := 1 - product/norms
	switch { // NaN stays what it is
	case distance < 0:
		return 0
	case distance > 2:
		return 2
	}
	return distance
}

// squares sums the squares of the differences.
func squares(query []float32, row []byte) float64 {
	var sums [4]float64
	row = row[:4*len(query)]
	for len(query) >= 4 {
		a := float64(query[0]) - float64(elementAt(row, 0))
		b := float64(query[1]) - float64(elementAt(row, 1))
		c := float64(query[2]) - float64(elementAt(row, 2))
		d := float64(query[3]) - float64(elementAt(row, 3))
		sums[0] += float64(a * a)
		sums[1] += float64(b * b)
		sums[2] += float64(c * c)
		sums[3] += float64(d * d)
		query, row = query[4:], row[16:]
	}
	for i, value := range query {
		a := float64(value) - float64(elementAt(row, i))
		sums[i] += float64(a * a)
	}
	return (sums[0] + sums[1]) + (sums[2] + sums[3])
}

// products sums the products with the row, and the row's squares.
func products(query []float32, row []byte) (product, square float64) {
	var sums, squares [4]float64
	row = row[:4*len(query)]
	for len(query) >= 4 {
		a, b := float64(elementAt(row, 0)), float64(elementAt(row, 1))
		c, d := float64(elementAt(row, 2)), float64(elementAt(row, 3))
		sums[0] += float64(a * float64(query[0]))
		sums[1] += float64(b * float64(query[1]))
		sums[2] += float64(c * float64(query[2]))
		sums[3] += float64(d * float64(query[3]))
		squares[0] += float64(a * a)
		squares[1] += float64(b * b)
		squares[2] += float64(c * c)
		squares[3] += float64(d * d)
		query, row = query[4:], row[16:]
	}
	for i, value := range query {
		a := float64(elementAt(row, i))
		sums[i] += float64(a * float64(value))
		squares[i] += float64(a * a)
	}
	return (sums[0] + sums[1]) + (sums[2] + sums[3]), (squares[0] + squares[1]) + (squares[2] + squares[3])
}

func elementAt(row []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
}
