package search

import (
	"context"

	"rvffs/store/rows"
)

// Answer answers queries in the form that ParseQueries reads, as lines of JSON. It
// waits for what that takes in memory, and fails as Nearest does.
func Answer(ctx context.Context, s rows.Sources, text []byte) ([]byte, error) {
	charge := s.Memory().Charge()
	defer charge.Free()
	if err := charge.Await(ctx, parseMemory(len(text))); err != nil {
		return nil, err
	}
	queries, err := ParseQueries(text, s.Dimension(), DefaultNeighbors)
	if err != nil {
		return nil, err
	}
	if err := charge.Set(answerMemory(s, queries)); err != nil {
		return nil, err
	}
	answers, err := Nearest(ctx, s, queries)
	if err != nil {
		return nil, err
	}
	return AppendAnswers(nil, answers), nil
}

// parseMemory is what reading so many bytes of queries takes at most: the JSON is held
// in three copies, one of them in a buffer that grew by doubling, and two bytes of it
// become a value of four; four can be a query.
func parseMemory(bytes int) int64 {
	const perByte, perQuery = 6, 96
	return int64(perByte*bytes + perQuery*min(bytes/4, MaxAnswers))
}

// answerMemory is what queries and their answers take at most.
func answerMemory(s rows.Sources, queries []Query) int64 {
	const perQuery, perAnswer = 96, 16 + 2*72 // as a neighbor, and as text in a buffer that grows
	total := int64(perAnswer * wantedNeighbors(s, queries))
	for _, query := range queries {
		total += perQuery + 4*int64(len(query.Vector))
	}
	return total
}

// wantedNeighbors is how many neighbors the answers have at most.
func wantedNeighbors(s rows.Sources, queries []Query) int {
	most, wanted := s.Most(), 0
	for _, query := range queries {
		wanted += int(min(uint64(query.K), most))
	}
	return wanted
}
