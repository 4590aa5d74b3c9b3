package segments

// Compression says how a payload is compressed.
type Compression uint8

// The compression methods of the format.
const (
	CompressionNone   Compression = 0
	CompressionLZ4    Compression = 1
	CompressionZstd   Compression = 2
	CompressionCustom Compression = 3
)

var compressionNames = map[Compression]string{
	CompressionNone:   "none",
	CompressionLZ4:    "lz4",
	CompressionZstd:   "zstd",
	CompressionCustom: "custom",
}

// String returns the method's name, or its number as "0x07" if it has none.
func (c Compression) String() string { return numberName(c, compressionNames) }
