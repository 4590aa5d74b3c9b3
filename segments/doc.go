// Package segments reads and writes the wire format of a vector store: the
// segment header, the walk from segment to segment, the search for the newest
// manifest, and the payload of every segment type that rvffs understands, in
// the dialect that it writes ("runtime") and the one that it only reads
// ("wire").
//
// Bytes come in through io.ReaderAt and byte slices, values go out; no file
// is opened here. Every byte is taken to be hostile: lengths are checked
// before they are believed, and nothing is allocated that the input does not
// really hold. All integers are little-endian unless said otherwise.
//
// It imports lineage alone. It owns the mutex of where reading ids of the wire dialect
// ended, under which nothing is called.
package segments
