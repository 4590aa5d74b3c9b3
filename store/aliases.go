package store

import (
	"context"

	"rvffs/store/rows"
	"rvffs/store/search"
	"rvffs/store/state"
	"rvffs/store/volume"
)

const VerifyBackground = state.VerifyBackground
const VerifyFirst = state.VerifyFirst
const VerifyNever = state.VerifyNever

type Checker = state.Checker
type DamagedSegment = state.DamagedSegment
type EntryDescription = state.EntryDescription
type IdentityDescription = state.IdentityDescription
type Origin = state.Origin
type Reader = state.Reader
type Snapshot = state.Snapshot
type VerifyMode = state.VerifyMode
type View = state.View
type ViewFolder = state.ViewFolder
type ViewTree = state.ViewTree

var DescribeEntry = state.DescribeEntry
var DescribeIdentity = state.DescribeIdentity
var NewChecker = state.NewChecker
var OnNewest = state.OnNewest
var OnlyIn = state.OnlyIn
var ParseVerifyMode = state.ParseVerifyMode
var ReaderAt = state.ReaderAt
var TextView = state.TextView

const DefaultNeighbors = search.DefaultNeighbors
const MaxQueryBytes = search.MaxQueryBytes

type Neighbor = search.Neighbor
type Query = search.Query

var AppendAnswers = search.AppendAnswers
var ParseQueries = search.ParseQueries

// Nearest is search.Nearest in one snapshot.
func Nearest(ctx context.Context, s *Snapshot, queries []Query) ([][]Neighbor, error) {
	return search.Nearest(ctx, rows.Of(s), queries)
}

var IsTemporary = volume.IsTemporary
