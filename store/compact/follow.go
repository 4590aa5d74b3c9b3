package compact

import (
	"context"
	"errors"
	"slices"

	"rvffs/segments"
	"rvffs/store/rows"
	"rvffs/store/state"
)

// catchUps bounds how often a rewrite runs after its writers before it makes them wait.
const catchUps = 8

// follow runs after the writers: it takes over what they commit, and takes along
// what they write, until little is left. All of it goes to the disk before anybody
// has to wait for it.
func (r *rewrite) follow(ctx context.Context, old *state.Reading) error {
	for round := range catchUps {
		newest := r.session.Base()
		if round > 0 && r.behind(newest)+r.file.Lacks() < r.env.Follow.Little {
			break
		}
		if err := r.file.MakeRoom(ctx, r.behind(newest), r.roomForManifest(newest)); err != nil {
			return err
		}
		committed, err := r.of(old, newest)
		if err != nil {
			return err
		}
		if err := r.catchUp(ctx, committed); err != nil {
			return err
		}
		if err := r.file.Carry(ctx, r.roomForManifest(newest)); err != nil {
			return err
		}
		if err := r.file.Settle(ctx); err != nil {
			return err
		}
		if round > 0 {
			r.pacer.Hurry() // or it would never catch up with a load that goes on
		}
	}
	// Commits know the newest entry of the audit chain; nobody shall wait for a walk
	// that finds it.
	_, err := old.Of(r.base).LastWitness()
	return err
}

// catchUp copies what the newest state has and base has not.
func (r *rewrite) catchUp(ctx context.Context, newest *state.Reading) error {
	if newest.Snapshot() == r.base {
		return nil
	}
	if err := r.copyOthers(ctx, newest, r.base.Size()); err != nil {
		return err
	}
	if err := r.dropped.fold(newest); err != nil {
		return err
	}
	added := rows.OnlyIn(newest.Snapshot(), r.base)
	for _, entry := range added {
		if _, err := newest.ReadHeader(entry); err != nil {
			return err
		}
		copied, err := r.copySegment(ctx, newest, entry)
		if err != nil {
			return err
		}
		r.vectors = append(r.vectors, copied)
	}
	r.base = newest.Snapshot()
	if err := rows.CollectIDs(ctx, newest, added, r.ids, &r.grows); err != nil || r.frozen {
		return err
	}
	return errors.Join(r.keep(ctx, newest), r.writeAllKept(ctx))
}

// behind is how many bytes at most have to be copied to take over newest.
func (r *rewrite) behind(newest *state.Snapshot) int64 {
	if newest == r.base {
		return 0
	}
	end := r.base.Size()
	bytes := newest.Size() - end
	others := slices.DeleteFunc(newest.Named(), func(entry segments.DirectoryEntry) bool { return !isCopied(entry.Type) || !r.lacks(entry) })
	for _, entry := range slices.Concat(rows.OnlyIn(newest, r.base), others) {
		if entry.Offset < end {
			bytes += segments.HeaderSize + int64(min(entry.PayloadLength, uint64(newest.Size())))
		}
	}
	return bytes
}

// roomForManifest is how many bytes the rewrite will write behind the last commit,
// when newest is that: metadata, a membership filter, the audit entries and the manifest.
func (r *rewrite) roomForManifest(newest *state.Snapshot) int64 {
	const witnessAndHeaders = 1 << 10
	entries := len(r.vectors) + len(r.adopted) + 2
	room := int64(newest.Manifest().EncodedSize()) + int64(entries)*segments.DirectoryEntrySize + witnessAndHeaders + r.dropped.room()
	room += droppedLine * max(0, int64(r.lost)-int64(newest.Epoch()))
	for _, entry := range newest.Named() {
		if entry.Type != segments.TypeMeta && entry.Type != segments.TypeMembership && entry.Type != segments.TypeCowMap {
			continue
		}
		room += 2*segments.HeaderSize + int64(min(entry.PayloadLength, uint64(newest.Size())))
	}
	return room + r.roomForKept()
}
