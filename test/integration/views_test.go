package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"rvffs/test/integration/rawfile"
)

// The views of a store's folder as the tests read them.

// manifestView is manifest.json.
type manifestView struct {
	Epoch        uint32          `json:"epoch"`
	Dimension    uint16          `json:"dimension"`
	TotalVectors uint64          `json:"total_vectors"`
	Metric       string          `json:"metric"`
	Dialect      string          `json:"dialect"`
	SegmentID    uint64          `json:"segment_id"`
	Offset       int             `json:"offset"`
	Directory    []directoryView `json:"directory"`
	Deleted      []uint64        `json:"deleted"`
}

// directoryView is a line of the manifest's directory.
type directoryView struct {
	SegmentID     uint64 `json:"segment_id"`
	Offset        uint64 `json:"offset"`
	PayloadLength uint64 `json:"payload_length"`
	Type          string `json:"type"`
}

// identityView is identity.json.
type identityView struct {
	FileID       string `json:"file_id"`
	ParentID     string `json:"parent_id"`
	ParentHash   string `json:"parent_hash"`
	LineageDepth uint32 `json:"lineage_depth"`
	Profile      string `json:"profile"`
	Root         bool   `json:"root"`
}

// statusView is status.json.
type statusView struct {
	Epoch          uint32 `json:"epoch"`
	Dimension      uint16 `json:"dimension"`
	Metric         string `json:"metric"`
	LiveVectors    int    `json:"live_vectors"`
	DeletedVectors int    `json:"deleted_vectors"`
	TotalVectors   int    `json:"total_vectors"`
	FileSize       int64  `json:"file_size"`
	OpenStreams    int    `json:"open_streams"`
}

// appendLine is a line of append.log.
type appendLine struct {
	Format   string  `json:"format"`
	Accepted int     `json:"accepted"`
	Rejected int     `json:"rejected"`
	Bytes    int64   `json:"bytes"`
	Epoch    *uint32 `json:"epoch"`
	Error    string  `json:"error"`
	Line     int64   `json:"line"`
	Offset   *int64  `json:"offset"`
}

// witnessLine is a line of witness.jsonl.
type witnessLine struct {
	SegmentID uint64 `json:"segment_id"`
	Offset    int    `json:"offset"`
	Previous  string `json:"previous"`
	Hash      string `json:"hash"`
	Verdict   string `json:"verdict"`
}

// decode reads a JSON view.
func decode[T any](path string) (T, error) {
	var value T
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		return value, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

// appendLog reads a store's append.log.
func appendLog(t testing.TB, storeFolder string) []appendLine {
	t.Helper()
	var lines []appendLine
	for line := range bytes.Lines(readFile(t, filepath.Join(storeFolder, "append.log"))) {
		var entry appendLine
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Errorf("append.log: %v: %q", err, line)
		}
		lines = append(lines, entry)
	}
	return lines
}

// folderShows compares a store's folder with the file behind it, as the
// independent reader understands it. nil means that every view is right.
func folderShows(storeFolder, backing string) error {
	file, err := rawfile.Read(backing)
	if err != nil {
		return err
	}
	checks := []func(string, *rawfile.File) error{
		showsManifest, showsIdentity, showsStatus, showsWitness, showsRaw, showsSegments, showsKernel, showsEBPF,
	}
	var problems []error
	for _, check := range checks {
		problems = append(problems, check(storeFolder, file))
	}
	return errors.Join(problems...)
}

// expect compares two values and names them where they differ.
func expect(what string, got, want any) error {
	if reflect.DeepEqual(got, want) {
		return nil
	}
	return fmt.Errorf("%s is %+v, want %+v", what, got, want)
}

// expectBytes compares a file with bytes.
func expectBytes(path string, want []byte) error {
	got, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %d bytes that are not the %d expected", path, len(got), len(want))
	}
	return nil
}

// showsManifest checks manifest.json and manifest.bin.
func showsManifest(storeFolder string, file *rawfile.File) error {
	got, err := decode[manifestView](filepath.Join(storeFolder, "manifest.json"))
	if err != nil {
		return err
	}
	newest := file.Newest()
	want := manifestView{
		Epoch: newest.Epoch, Dimension: newest.Dimension, TotalVectors: newest.TotalVectors,
		Metric: newest.MetricName(), Dialect: "runtime", SegmentID: newest.SegmentID, Offset: newest.Offset,
		Directory: []directoryView{}, Deleted: append([]uint64{}, newest.Deleted...),
	}
	for _, entry := range newest.Directory {
		want.Directory = append(want.Directory, directoryView{entry.ID, entry.Offset, entry.Length, rawfile.TypeName(entry.Type)})
	}
	return errors.Join(
		expect("manifest.json", got, want),
		expectBytes(filepath.Join(storeFolder, "manifest.bin"), newest.Payload))
}

// showsIdentity checks identity.json and identity.bin.
func showsIdentity(storeFolder string, file *rawfile.File) error {
	got, err := decode[identityView](filepath.Join(storeFolder, "identity.json"))
	identity := file.Newest().Identity
	if err != nil || identity == nil {
		return err
	}
	want := identityView{
		FileID: identity.FileIDHex(), ParentID: identity.ParentIDHex(),
		ParentHash: fmt.Sprintf("%x", identity.ParentHash), LineageDepth: identity.Depth,
		Profile: got.Profile, Root: identity.ParentID == [16]byte{},
	}
	return errors.Join(
		expect("identity.json", got, want),
		expectBytes(filepath.Join(storeFolder, "identity.bin"), identity.Bytes()))
}

// showsStatus checks status.json.
func showsStatus(storeFolder string, file *rawfile.File) error {
	got, err := decode[statusView](filepath.Join(storeFolder, "status.json"))
	if err != nil {
		return err
	}
	newest := file.Newest()
	return expect("status.json", got, statusView{
		Epoch: newest.Epoch, Dimension: newest.Dimension, Metric: newest.MetricName(),
		LiveVectors: len(file.Vectors()), DeletedVectors: len(newest.Deleted), TotalVectors: file.StoredIDs(),
		FileSize: int64(len(file.Bytes)), OpenStreams: got.OpenStreams,
	})
}

// showsWitness checks that witness.jsonl tells each audit entry once, and judges
// its link as the format demands.
func showsWitness(storeFolder string, file *rawfile.File) error {
	got, err := witnesses(storeFolder)
	if err != nil {
		return err
	}
	want := []witnessLine{}
	var previous [32]byte
	live := file.Live()
	for _, segment := range file.Segments {
		if segment.Type != rawfile.TypeWitness || segment.Offset > live[len(live)-1].Offset {
			continue
		}
		before := [32]byte(segment.Payload[len(segment.Payload)-32:])
		line := witnessLine{segment.ID, segment.Offset, fmt.Sprintf("%x", before), "", "broken"}
		switch before {
		case [32]byte{}:
			line.Verdict = "start"
		case previous:
			line.Verdict = "linked"
		}
		previous = rawfile.Fold(segment.Payload)
		line.Hash = fmt.Sprintf("%x", previous)
		want = append(want, line)
	}
	return expect("witness.jsonl", got, want)
}

// witnesses reads witness.jsonl.
func witnesses(storeFolder string) ([]witnessLine, error) {
	text, err := os.ReadFile(filepath.Join(storeFolder, "witness.jsonl"))
	lines := []witnessLine{}
	for line := range bytes.Lines(text) {
		var entry witnessLine
		err = errors.Join(err, json.Unmarshal(line, &entry))
		lines = append(lines, entry)
	}
	return lines, err
}

// showsRaw checks that raw is the file up to the end of its newest manifest, or
// on to the end of a later segment that belongs to the state.
func showsRaw(storeFolder string, file *rawfile.File) error {
	got, err := os.ReadFile(filepath.Join(storeFolder, "raw"))
	if err != nil {
		return err
	}
	newest, _ := file.At(file.Newest().Offset)
	if len(got) < newest.End() || !bytes.HasPrefix(file.Bytes, got) {
		return fmt.Errorf("raw: %d bytes that are no prefix of the file's %d up to %d or more", len(got), len(file.Bytes), newest.End())
	}
	for _, segment := range file.Segments {
		if segment.End() == len(got) {
			return nil
		}
	}
	return fmt.Errorf("raw ends at %d, inside a segment", len(got))
}

// showsSegments checks that segments/ holds each live segment once, whole and
// under its name.
func showsSegments(storeFolder string, file *rawfile.File) error {
	folder := filepath.Join(storeFolder, "segments")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	live := file.Live()
	times := map[uint64]int{}
	for _, segment := range live {
		times[segment.ID]++
	}
	var want []string
	var problems []error
	for _, segment := range live {
		name := segment.Name()
		if times[segment.ID] > 1 {
			name = fmt.Sprintf("%06d-%s@%d.seg", segment.ID, rawfile.TypeName(segment.Type), segment.Offset)
		}
		want = append(want, name)
		problems = append(problems, expectBytes(filepath.Join(folder, name), file.Bytes[segment.Offset:segment.End()]))
	}
	slices.Sort(want)
	return errors.Join(append(problems, expect("the list of segments/", got, want))...)
}

// showsKernel checks kernel/ against the first kernel in the directory.
func showsKernel(storeFolder string, file *rawfile.File) error {
	kernel, ok := firstNamed(file, rawfile.TypeKernel)
	if !ok {
		return nil
	}
	image, cmdline := kernel.Kernel()
	folder := filepath.Join(storeFolder, "kernel")
	return errors.Join(
		expectBytes(filepath.Join(folder, "image"), image),
		expectBytes(filepath.Join(folder, "cmdline"), cmdline),
		expectBytes(filepath.Join(folder, "header.bin"), kernel.Payload[:128]))
}

// showsEBPF checks ebpf/ against the first program in the directory.
func showsEBPF(storeFolder string, file *rawfile.File) error {
	ebpf, ok := firstNamed(file, rawfile.TypeEBPF)
	if !ok {
		return nil
	}
	program, btf := ebpf.EBPF()
	folder := filepath.Join(storeFolder, "ebpf")
	types := expectBytes(filepath.Join(folder, "btf"), btf)
	if len(btf) == 0 && errors.Is(types, fs.ErrNotExist) {
		types = nil // what is not there is not shown
	}
	return errors.Join(
		expectBytes(filepath.Join(folder, "program.o"), program), types,
		expectBytes(filepath.Join(folder, "header.bin"), ebpf.Payload[:64]))
}

// firstNamed is the first segment of a type in the newest directory.
func firstNamed(file *rawfile.File, segmentType uint8) (rawfile.Segment, bool) {
	for _, entry := range file.Newest().Directory {
		if entry.Type == segmentType {
			return file.At(int(entry.Offset))
		}
	}
	return rawfile.Segment{}, false
}
