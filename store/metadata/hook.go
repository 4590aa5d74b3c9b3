package metadata

import (
	"context"

	"rvffs/segments"
	"rvffs/store/idset"
	"rvffs/store/log"
	"rvffs/store/rows"
	"rvffs/store/shared"
	"rvffs/store/state"
	"rvffs/store/volume"
)

const (
	// deltasBeforeSnapshot is how many deltas are written before all is stated anew:
	// as many as the runtime itself writes, half of what readers take.
	deltasBeforeSnapshot = segments.MaxMetaDeltas/2 - 1
	// bytesBeforeSnapshot is the same in bytes, well below what readers take.
	bytesBeforeSnapshot = 200 << 20
)

// hook lets records go whose vectors a commit takes away.
type hook struct {
	table table
	ids   *rows.IDTable
	added func() *idset.Set
}

// NewHook is what metadata want of a store's commits. It asks the table of ids which
// vectors are stored, and added which ones the commit brings that is being drafted: it
// has its say after who knows that.
func NewHook(ids *rows.IDTable, added func() *idset.Set) log.Hook {
	return &hook{table: table{turn: shared.NewTurn()}, ids: ids, added: added}
}

// Draft implements log.Hook: it adds the segment by which records go whose vectors are
// gone after the commit, be it by this one or because somebody left them behind. There
// is none in a store without metadata.
func (h *hook) Draft(ctx context.Context, d *log.Draft) (log.Committed, error) {
	named := d.Base.OfType(segments.TypeMeta)
	if len(named) == 0 {
		return nil, nil
	}
	return nil, d.Base.With(ctx, state.Judging, func(base *state.Reading) error {
		payload, err := h.repair(ctx, d, base, named)
		if err == nil && payload != nil {
			d.Add(volume.NewSegment{Type: segments.TypeMeta, Payload: payload})
		}
		return err
	})
}

// repair is the payload that a commit has to add; nil if there is nothing to be said.
func (h *hook) repair(ctx context.Context, d *log.Draft, base *state.Reading, named []segments.DirectoryEntry) ([]byte, error) {
	known, done, err := h.table.at(ctx, base, named)
	if err != nil {
		return nil, err
	}
	defer done()
	if known.ids.Len() == 0 && !known.gap {
		return nil, nil
	}
	var orphans *idset.Set
	err = h.ids.At(ctx, d.Base, func(stored *idset.Set) (err error) {
		all := stored.Common(known.ids)
		all.Unite(h.added().Common(known.ids))
		orphans, err = known.orphans(ctx, base, all, idset.Of(d.Manifest.Deleted))
		return err
	})
	if err != nil || orphans.Len() == 0 {
		return nil, err
	}
	if known.gap || known.next == 0 || known.deltas >= deltasBeforeSnapshot || known.size > bytesBeforeSnapshot {
		charge := d.Base.Backing().Memory().Charge()
		defer charge.Free()
		whole := gatherAll()
		if _, err := whole.add(ctx, base, named, &charge, 0); err != nil {
			return nil, err
		}
		return whole.state(ctx, orphans, &charge)
	}
	part := &segments.Meta{Generation: known.next}
	for _, id := range orphans.Ascending() {
		part.Records = append(part.Records, segments.MetaRecord{ID: id, Gone: true})
	}
	return part.Encode()
}
