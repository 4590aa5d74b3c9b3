package state

import "rvffs/store/volume"

// nearbyFile is a file of which small pieces that stand close together are read at
// once: the heads of a hundred thousand small segments, say. It is for one
// goroutine.
type nearbyFile struct {
	volume.Bytes
	buffer []byte // what was read last
	start  int64  // its offset in the file
}

const (
	nearbyPage = 4 << 10 // bytes; reading begins where the system's pages do
	nearbySize = 2 * nearbyPage
)

// ReadAt implements File.
func (n *nearbyFile) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) > nearbyPage || offset < 0 {
		return n.Bytes.ReadAt(p, offset)
	}
	if !n.holds(offset, len(p)) {
		if n.buffer == nil {
			n.buffer = make([]byte, nearbySize)
		}
		n.start = offset &^ (nearbyPage - 1)
		read, _ := n.Bytes.ReadAt(n.buffer[:nearbySize], n.start)
		if n.buffer = n.buffer[:read]; !n.holds(offset, len(p)) {
			return n.Bytes.ReadAt(p, offset) // which tells why
		}
	}
	return copy(p, n.buffer[offset-n.start:]), nil
}

func (n *nearbyFile) holds(offset int64, length int) bool {
	return offset >= n.start && offset+int64(length) <= n.start+int64(len(n.buffer))
}
