package vecio

import "encoding/binary"

// isTensors reports whether p begins with the length of a header and the header of the
// format safetensors; open tells that it may still do so.
func isTensors(p []byte) (is, open bool) {
	const begin = safetensorsLength + 1
	if len(p) < safetensorsLength {
		return false, len(p) < 3 || p[2] <= maxSafetensorsHeader>>16 && allZero(p[3:]) && (len(p) < 4 || !allZero(p[:3]))
	}
	length := binary.LittleEndian.Uint64(p)
	if length < 2 || length > maxSafetensorsHeader {
		return false, false
	}
	return len(p) >= begin && p[begin-1] == '{', len(p) < begin
}

func allZero(p []byte) bool {
	for _, c := range p {
		if c != 0 {
			return false
		}
	}
	return true
}
