package segments

import (
	"fmt"
	"strings"
)

// Contradiction says in which way fields of a header of the runtime dialect cannot all be
// right; it is empty where they can. Only what the format defines is judged: of values that
// it leaves open nobody knows what they mean, and those belong to UnknownFields.
func (h Header) Contradiction() string {
	switch {
	case h.Hashed() && isCRCForm(h.ContentHash) && h.ChecksumAlgorithm != ChecksumRuntime:
		return fmt.Sprintf("the content hash has the form of algorithm %d, and the header says %d", ChecksumRuntime, h.ChecksumAlgorithm)
	case h.Compression == CompressionNone && h.Flags&FlagCompressed != 0:
		return "the flags say that it is compressed, and there is no method"
	case h.Compression == CompressionNone && h.UncompressedLength != 0:
		return fmt.Sprintf("it is %d bytes long uncompressed, and there is no method of compression", h.UncompressedLength)
	case h.Compression != CompressionNone && h.Compression <= CompressionCustom && h.UncompressedLength == 0 && h.PayloadLength > 0:
		return fmt.Sprintf("it is compressed with %s, and has no length uncompressed", h.Compression)
	}
	return ""
}

// UnknownFields lists what a header of the runtime dialect holds that no known writer of it
// puts there; it is empty for all others.
func (h Header) UnknownFields() string {
	var found []string
	known := FlagCompressed
	if h.Type == TypeWitness {
		known |= FlagHasLineage // of a derivation
	}
	if flags := h.Flags &^ known; flags != 0 {
		found = append(found, "the flags "+strings.Join(flags.Names(), ", "))
	}
	if h.Compression > CompressionCustom {
		found = append(found, "the compression "+h.Compression.String())
	}
	if h.Reserved16 != 0 || h.Reserved32 != 0 {
		found = append(found, "reserved fields that are not zero")
	}
	if h.AlignmentPad != 0 {
		found = append(found, fmt.Sprintf("a padding of %d", h.AlignmentPad))
	}
	return strings.Join(found, ", ")
}
