package compute

import "time"

// DashboardDescription is a dashboard's header as header.json tells it.
type DashboardDescription struct {
	SegmentID   uint64   `json:"segment_id"`
	Offset      int64    `json:"offset"`
	Version     uint16   `json:"version"`
	Framework   string   `json:"framework"`
	Compression string   `json:"compression"`
	BundleSize  uint64   `json:"bundle_size"`
	FileCount   uint32   `json:"file_count"`
	EntryPath   string   `json:"entry_path"`
	BuildTime   string   `json:"build_time,omitempty"`
	Hash        string   `json:"bundle_hash"`
	Integrity   string   `json:"bundle_integrity"`
	Problems    []string `json:"problems,omitempty"`
}

// Describe puts the dashboard's header into readable form.
func (d *Dashboard) Describe() DashboardDescription {
	described := d.describe().document.(DashboardDescription)
	described.Integrity = string(d.Integrity)
	return described
}

func (d *Dashboard) describe() description {
	header := d.Header
	described := DashboardDescription{
		SegmentID: d.Entry.SegmentID, Offset: d.Entry.Offset, Version: header.Version,
		Framework: header.Framework.String(), Compression: header.Compression.String(), BundleSize: header.BundleSize,
		FileCount: header.FileCount, EntryPath: d.EntryPath, Hash: header.Hash.String(), Integrity: openVerdict, Problems: header.Problems(),
	}
	if header.BuildTime != 0 && header.BuildTime < 1<<40 {
		described.BuildTime = time.Unix(int64(header.BuildTime), 0).UTC().Format(time.RFC3339)
	}
	return description{described}
}
