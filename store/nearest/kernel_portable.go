package nearest

func squaresPortable(query []float32, rows []byte, stride int, out []float32) {
	for i := range out {
		row := rows[i*stride:][:4*len(query)]
		var sums [8]float32
		q := query
		for ; len(q) >= 8; q, row = q[8:], row[32:] {
			row := row[:32]
			for j := range sums {
				difference := q[j] - elementAt(row, j)
				sums[j] += difference * difference
			}
		}
		for j, value := range q {
			difference := value - elementAt(row, j)
			sums[j] += difference * difference
		}
		out[i] = sumLanes(&sums)
	}
}

func productsPortable(query []float32, rows []byte, stride int, out, norms []float32) {
	for i := range out {
		row := rows[i*stride:][:4*len(query)]
		var sums, squares [8]float32
		q := query
		for ; len(q) >= 8; q, row = q[8:], row[32:] {
			row := row[:32]
			for j := range sums {
				value := elementAt(row, j)
				sums[j] += value * q[j]
				squares[j] += value * value
			}
		}
		for j, factor := range q {
			value := elementAt(row, j)
			sums[j] += value * factor
			squares[j] += value * value
		}
		out[i], norms[i] = sumLanes(&sums), sumLanes(&squares)
	}
}

// sumLanes adds up what eight lanes came to, in a fixed order.
func sumLanes(parts *[8]float32) float32 {
	return ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]))
}
