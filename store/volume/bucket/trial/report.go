package trial

import (
	"encoding/json"
	"time"
)

// Report is what was found of a server.
type Report struct {
	At       time.Time `json:"at"`
	BareTags bool      `json:"bare_tags,omitempty"` // it knows tags in conditions only without their quotes
	Rules    []Rule    `json:"rules"`
}

// Rule is one thing that a server must do, and whether it does.
type Rule struct {
	Name    string        `json:"rule"`
	For     Use           `json:"for"`
	Kept    bool          `json:"kept"`
	Problem string        `json:"problem,omitempty"` // what it did instead
	Took    time.Duration `json:"took_ns"`
}

// Use is what a rule is needed for.
type Use string

// What rules are needed for.
const (
	Commits  Use = "commits"  // and new stores; without it a bucket is read-only
	Reading  Use = "reading"  // without it there is no mount
	Copying  Use = "copying"  // large appends, folding, and what other programs have put there
	Settling Use = "settling" // of stores of more than 5 GiB
	Removing Use = "removing" // without it a small object stays of each name that is given up
)

// Allows reports whether all rules are kept that something needs.
func (r *Report) Allows(use Use) bool {
	for _, rule := range r.Rules {
		if rule.For == use && !rule.Kept {
			return false
		}
	}
	return true
}

// lasts is how long a report counts: servers are updated, and their settings changed.
const lasts = 7 * 24 * time.Hour

// Counts reports whether it is young enough to be believed.
func (r *Report) Counts(now time.Time) bool {
	age := now.Sub(r.At)
	return age >= 0 && age < lasts
}

// Encode is the report as it is kept in the bucket.
func (r *Report) Encode() []byte {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		panic(err) // of texts and numbers
	}
	return append(text, '\n')
}
