package segments

import (
	"encoding/binary"
	"fmt"
	"math"

	"rvffs/lineage"
)

const (
	// DashboardHeaderSize is the length of a DashboardHeader in bytes.
	DashboardHeaderSize = 64
	// DashboardVersion is the only version of the header that there is.
	DashboardVersion = 1
	// DashboardMagic begins every DashboardHeader.
	DashboardMagic uint32 = 0x52564442
)

// DashboardFramework is what a dashboard was built with.
type DashboardFramework uint8

// The frameworks of the format.
const (
	DashboardThreeJS DashboardFramework = 0
	DashboardReact   DashboardFramework = 1
	DashboardCustom  DashboardFramework = 2
)

var dashboardFrameworkNames = map[DashboardFramework]string{
	DashboardThreeJS: "three.js",
	DashboardReact:   "react",
	DashboardCustom:  "custom",
}

// String returns the framework's name, or its number as "0x07".
func (f DashboardFramework) String() string { return numberName(f, dashboardFrameworkNames) }

// DashboardCompression is how a bundle is compressed. Its numbers are not
// those of Compression.
type DashboardCompression uint8

// The compression methods of dashboards.
const (
	DashboardUncompressed DashboardCompression = 0
	DashboardGzip         DashboardCompression = 1
	DashboardBrotli       DashboardCompression = 2
)

var dashboardCompressionNames = map[DashboardCompression]string{
	DashboardUncompressed: "none",
	DashboardGzip:         "gzip",
	DashboardBrotli:       "brotli",
}

// String returns the method's name, or its number as "0x07".
func (c DashboardCompression) String() string { return numberName(c, dashboardCompressionNames) }

// DashboardHeader is what a dashboard segment's payload begins with; the
// bundle of its files follows.
type DashboardHeader struct {
	Version         uint16
	Framework       DashboardFramework
	Compression     DashboardCompression
	BundleSize      uint64 // bytes
	FileCount       uint32
	EntryPathLength uint16 // bytes
	BuildTime       uint64 // seconds since the Unix epoch
	Hash            lineage.Hash
}

// ParseDashboardHeader reads the first DashboardHeaderSize bytes of b. The
// error wraps ErrPayload.
func ParseDashboardHeader(b []byte) (DashboardHeader, error) {
	if len(b) < DashboardHeaderSize {
		return DashboardHeader{}, fmt.Errorf("%w: dashboard header of %d bytes", ErrPayload, len(b))
	}
	if err := checkVersion("dashboard", b, DashboardMagic, DashboardVersion); err != nil {
		return DashboardHeader{}, err
	}
	return DashboardHeader{
		Version:         binary.LittleEndian.Uint16(b[4:]),
		Framework:       DashboardFramework(b[6]),
		Compression:     DashboardCompression(b[7]),
		BundleSize:      binary.LittleEndian.Uint64(b[8:]),
		FileCount:       binary.LittleEndian.Uint32(b[16:]),
		EntryPathLength: binary.LittleEndian.Uint16(b[20:]),
		BuildTime:       binary.LittleEndian.Uint64(b[24:]),
		Hash:            lineage.Hash(b[32:64]),
	}, nil
}

// Encode returns the header's 64 bytes.
func (h DashboardHeader) Encode() [DashboardHeaderSize]byte {
	var b [DashboardHeaderSize]byte
	binary.LittleEndian.PutUint32(b[0:], DashboardMagic)
	binary.LittleEndian.PutUint16(b[4:], h.Version)
	b[6] = byte(h.Framework)
	b[7] = byte(h.Compression)
	binary.LittleEndian.PutUint64(b[8:], h.BundleSize)
	binary.LittleEndian.PutUint32(b[16:], h.FileCount)
	binary.LittleEndian.PutUint16(b[20:], h.EntryPathLength)
	binary.LittleEndian.PutUint64(b[24:], h.BuildTime)
	copy(b[32:64], h.Hash[:])
	return b
}

// Dashboard says what stands where in a dashboard segment's payload. Offsets
// count from the payload's start.
type Dashboard struct {
	Header       DashboardHeader
	BundleOffset int64
	BundleLength int64
}

// ParseDashboard reads the beginning of a dashboard segment's payload, of
// which prefix holds at least DashboardHeaderSize bytes. The bundle takes the
// rest, which has to be as long as the header says. The error wraps
// ErrPayload.
func ParseDashboard(prefix []byte, payloadLength int64) (*Dashboard, error) {
	header, err := ParseDashboardHeader(prefix)
	if err != nil {
		return nil, err
	}
	if header.BundleSize > math.MaxInt64-DashboardHeaderSize ||
		payloadLength != DashboardHeaderSize+int64(header.BundleSize) {
		return nil, fmt.Errorf("%w: dashboard bundle of %d bytes in %d", ErrPayload, header.BundleSize, payloadLength)
	}
	return &Dashboard{
		Header:       header,
		BundleOffset: DashboardHeaderSize,
		BundleLength: int64(header.BundleSize),
	}, nil
}
