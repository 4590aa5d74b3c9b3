package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"rvffs/lineage"
	"rvffs/lineage/chart"
	"rvffs/store/volume"
)

// mostInPedigree is how many stores the pedigree of a volume tells of.
const mostInPedigree = 10_000

// pedigreeTexts are a pedigree in the forms in which it is shown, by the endings of their
// names.
type pedigreeTexts map[string][]byte

// PedigreeEndings are the forms of the pedigree of all stores.
var PedigreeEndings = []string{".dot", ".json", ".svg"}

// Pedigree tells who descends from whom among the stores that the one who asks may read,
// in one of its forms.
func (c *Catalog) Pedigree(ctx context.Context, ending string) ([]byte, error) {
	if err := c.refresh(ctx); err != nil {
		return nil, err
	}
	var shown []pedigreeStore
	all := c.SeesAll(ctx)
	c.mu.Lock()
	known, stage := c.pedigree, c.stages
	c.mu.Unlock()
	if all && known != nil {
		return known[ending], nil
	}
	if err := c.look(ctx, func(v *viewer) { shown = c.tree.pedigreeFor(v, c) }); err != nil {
		return nil, err
	}
	p, final, err := pedigreeOf(ctx, shown)
	if err != nil {
		return nil, err
	}
	encoded, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, err
	}
	texts := pedigreeTexts{".json": append(encoded, '\n'), ".dot": chart.DOT(p), ".svg": chart.SVG(p)}
	if all && final {
		c.mu.Lock()
		if c.stages == stage {
			c.pedigree = texts
		}
		c.mu.Unlock()
	}
	return texts[ending], nil
}

// pedigreeStore is a store that the pedigree may tell of.
type pedigreeStore struct {
	file     string
	store    *Store
	readable bool
	related  bool // it was derived, or others were
}

// pedigreeFor are the stores that a viewer may be told of: those with relatives, then the
// others. The caller holds the catalog's mu.
func (t *tree) pedigreeFor(v *viewer, c *Catalog) []pedigreeStore {
	var stores []pedigreeStore
	for folder, scan := range t.scans {
		for name, found := range scan.stores {
			file := joinPath(folder, name)
			if !v.reaches(file) {
				continue
			}
			related := found.hasIdentity && !found.identity.IsRoot() || len(t.children[file]) > 0 || len(t.apartBelow[file]) > 0
			stores = append(stores, pedigreeStore{file: file, related: related})
		}
	}
	slices.SortFunc(stores, func(a, b pedigreeStore) int {
		if a.related != b.related {
			if a.related {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.file, b.file)
	})
	for i := range min(len(stores), mostInPedigree) {
		stores[i].store, stores[i].readable = c.storeAt(stores[i].file), v.mayRead(stores[i].file)
	}
	return stores
}

// pedigreeOf has each of the stores judged. It is final when it would be the same again.
func pedigreeOf(ctx context.Context, stores []pedigreeStore) (p lineage.Pedigree, final bool, err error) {
	told := stores[:min(len(stores), mostInPedigree)]
	accounts := make([]lineage.Account, 0, len(told))
	final = true
	for _, one := range told {
		if !one.readable {
			accounts = append(accounts, lineage.HiddenAccount(one.file))
			continue
		}
		told, err := one.store.account(ctx)
		switch {
		case errors.Is(err, volume.ErrNotFound):
			final = false // gone meanwhile
		case err != nil:
			return p, false, err
		default:
			accounts = append(accounts, told.Account)
		}
	}
	p = lineage.Arrange(accounts)
	p.More = len(stores) - len(told)
	return p, final, nil
}
