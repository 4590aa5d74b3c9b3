// Package catalog shows a directory of stores as a tree in which derived stores
// stand in their parents' folders.
//
// It knows names, identities and who descends from whom, and opens a store only
// when somebody touches it. What stands in a store is the business of package
// store.
package catalog
