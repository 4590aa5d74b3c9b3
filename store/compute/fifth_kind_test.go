package compute

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"rvffs/lineage"
	"rvffs/segments"
	"rvffs/store/state"
	"rvffs/store/volume"
)

// toys are images of a kind that nobody has thought of: the header is a mark, what the
// toy is for, and the hash.
var toys = &Kind{Type: 0xF0, Folder: "toy", headerSize: toyHeader, payloadLimit: 1 << 20, trade: toyTrade{}}

const toyHeader = 2 + 32

type toyTrade struct{}

type toy struct {
	Embedded
	purpose byte
}

func (toyTrade) parse(_ context.Context, p payload, entry segments.DirectoryEntry) (image, error) {
	purpose, err := toys.slot(p.prefix)
	if err != nil {
		return nil, err
	}
	view, err := state.SubView(p.view, toyHeader, p.view.Size()-toyHeader)
	if err != nil {
		return nil, err
	}
	found := &toy{purpose: purpose.(byte)}
	found.Embedded, err = p.embedded(entry, view, [32]byte(p.prefix[2:toyHeader]))
	return found, err
}

func (toyTrade) slot(prefix []byte) (any, error) {
	if len(prefix) < toyHeader || prefix[0] != 'T' {
		return nil, fmt.Errorf("%w: no toy", volume.ErrCorrupt)
	}
	return prefix[1], nil
}

func (toyTrade) parts() map[Part]partKind {
	return map[Part]partKind{"toy/image": {limit: 1 << 10, embed: func(s embedder, ctx context.Context, content io.ReaderAt, size int64, _ EmbedOptions) (uint32, error) {
		purpose := make([]byte, 1) // an image tells by its first byte
		if err := volume.ReadFull(content, purpose, 0); err != nil {
			return 0, err
		}
		return s.embed(ctx, &embedding{kind: toys, image: content, size: size, head: func(hash lineage.Hash) ([]byte, error) {
			return append([]byte{'T', purpose[0]}, hash[:]...), nil
		}})
	}}}
}

func (t *toy) label() string      { return string(t.purpose) }
func (t *toy) problems() []string { return nil }
func (t *toy) describe() description {
	return description{struct {
		Integrity string `json:"toy_integrity"`
	}{openVerdict}}
}
func (t *toy) files() []state.NamedView { return []state.NamedView{{Name: "image", View: t.Image}} }

// TestAFifthKindIsOneRow puts a kind into the table and asks for all that a store does with
// images. It is not parallel, for all tests have the same table.
func TestAFifthKindIsOneRow(t *testing.T) {
	four := Kinds
	Kinds = append(slices.Clone(Kinds), toys)
	t.Cleanup(func() { Kinds = four })
	images := newImages(t)
	for _, content := range []string{"a ball", "bear", "another ball"} {
		if err := put(t, images, "toy/image", []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, images, "toy/image", make([]byte, 2<<10)); !errors.Is(err, volume.ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
	tree, err := KindOf(toys.Type).Files(t.Context(), images.Current())
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, file := range tree.Files {
		content, err := state.ViewContent(t.Context(), file.View)
		if err != nil {
			t.Errorf("%s: %v", file.Name, err)
		}
		text := string(content)
		if strings.HasSuffix(file.Name, "header.bin") {
			text = text[:2]
		}
		name := file.Name[strings.LastIndexByte(file.Name, '-')+1:]
		shown = append(shown, name+": "+strings.Join(strings.Fields(text), " "))
	}
	const header = `: { "toy_integrity": "shake256" }`
	if want := []string{
		"image: another ball", "header.bin: Ta", "header.json" + header,
		"a/image: another ball", "a/header.bin: Ta", "a/header.json" + header,
		"b/image: bear", "b/header.bin: Tb", "b/header.json" + header,
	}; !slices.Equal(shown, want) {
		t.Errorf("shown are\n%q, want\n%q", shown, want)
	}
	checked := 0
	err = CheckAll(t.Context(), images.Current(), func(entry segments.DirectoryEntry, verdict Integrity, _ []string, err error) {
		checked++
		if entry.Type != toys.Type || verdict != IntegritySHAKE256 || err != nil {
			t.Errorf("%s at offset %d is %s, %v", entry.Type, entry.Offset, verdict, err)
		}
	})
	if err != nil || checked != 2 {
		t.Errorf("%d were checked, %v", checked, err)
	}
	found, err := extract(t.Context(), images.Images, toys, func(found *toy) bool { return found.purpose == 'b' })
	if err != nil || found.Integrity != IntegritySHAKE256 {
		t.Errorf("%+v, %v", found, err)
	}
}
