package memory

// Large is room for so many bytes, none of which is in it yet, for what is read or sent at once
// and used again. It is cheap to fill for the first time where the system has large pages: it
// need not be asked for each small one. A mebibyte is little for that.
func Large(bytes int) []byte {
	room := make([]byte, 0, bytes)
	inLargePages(room[:bytes])
	return room
}
