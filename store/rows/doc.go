// Package rows knows the vectors of a snapshot, or of several as one: which rows are live,
// in which file and where they stand, which ids are stored, and what files of vectors are
// made of them.
//
// It imports state and what that stands on, and vecio for the layouts of files. It owns
// the turn of a table of ids, which is held while ids are read from the disk, and the
// mutexes of an open file of vectors, which guard a few words.
package rows
