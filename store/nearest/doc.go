// Package nearest finds the vectors nearest to given ones among rows that the
// caller brings block by block. It knows no files.
//
// The answer is exact: the k smallest distances in float64, and of equal ones the
// smaller ids. Fast kernels in float32 only tell which rows cannot belong to it;
// they never tell a distance. So neither the kernel, nor the order of the blocks,
// nor the number of workers can be seen in an answer.
//
// It imports segments, for the metrics, and has no locks.
package nearest
