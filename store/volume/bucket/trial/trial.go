package trial

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"rvffs/store/volume/bucket/objects"
)

// Ways gives a bucket by each of the ways to it, one for each gateway, by which tags in
// conditions are sent with or without their quotes.
type Ways func(bareTags bool) ([]objects.Bucket, error)

// folder is where a trial's objects stand, behind the bucket's prefix.
const folder = ".rvffs/trial/"

// trial is one under way.
type trial struct {
	ways   []objects.Bucket
	prefix string // of its objects
	made   []string
}

// rules are tried in this order.
var rules = []struct {
	name string
	use  Use
	try  func(*trial, context.Context) error
}{
	{"a read sees what was written before", Reading, (*trial).readsWrites},
	{"a part of an object can be read", Reading, (*trial).readsParts},
	{"GET with If-None-Match is answered by 304", Reading, (*trial).readsChanges},
	{"a listing sees what was written and deleted before", Reading, (*trial).lists},
	{"PUT with If-None-Match: * makes only what is not there", Commits, (*trial).makesOnce},
	{"PUT with If-Match replaces only what is known", Commits, (*trial).swaps},
	{"of many that make an object at once one wins", Commits, (*trial).oneMaker},
	{"of many that swap an object at once one wins", Commits, (*trial).oneWinner},
	{"objects are written in parts", Copying, (*trial).writesParts},
	{"the server copies parts of objects", Copying, (*trial).copiesParts},
	{"the server copies objects", Copying, (*trial).copies},
	{"an object in parts replaces only what is known", Settling, (*trial).completesOnCondition},
	{"DELETE with If-Match removes only what is known", Removing, (*trial).removes},
}

// Try finds out what a server can do with the keys of a bucket that begin with a prefix. For
// who may only read there is nothing else to try. An error means that the trial itself could
// not be made: the server cannot be reached, or denies it.
func Try(ctx context.Context, prefix string, open Ways) (*Report, error) {
	report := &Report{At: time.Now().UTC().Truncate(time.Second)}
	ways, err := open(false)
	if err != nil {
		return nil, err
	}
	t := &trial{ways: ways, prefix: prefix + folder + rand.Text() + "/"}
	defer t.clear(context.WithoutCancel(ctx))
	switch err := t.reachable(ctx); {
	case errors.Is(err, objects.ErrDenied) && t.readable(ctx) == nil:
		report.Rules = []Rule{{Name: "objects can be written", For: Commits, Problem: err.Error()}}
		return report, nil
	case err != nil:
		return nil, fmt.Errorf("the bucket cannot be tried: %w", err)
	}
	if report.BareTags, err = t.wantsBareTags(ctx); err != nil {
		return nil, fmt.Errorf("the bucket cannot be tried: %w", err)
	}
	if report.BareTags {
		if t.ways, err = open(true); err != nil {
			return nil, err
		}
	}
	for _, rule := range rules {
		began := time.Now()
		err := rule.try(t, ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		tried := Rule{Name: rule.name, For: rule.use, Kept: err == nil, Took: time.Since(began)}
		if err != nil {
			tried.Problem = err.Error()
		}
		report.Rules = append(report.Rules, tried)
	}
	return report, nil
}

// clear deletes what the trial has made, as far as that goes: what stays is in nobody's way.
func (t *trial) clear(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, key := range t.made {
		_ = t.ways[0].Delete(ctx, key, objects.Condition{})
	}
}

// key is that of an object of the trial.
func (t *trial) key(name string) string {
	key := t.prefix + name
	if !slices.Contains(t.made, key) {
		t.made = append(t.made, key)
	}
	return key
}

// reachable fails where the bucket cannot be written to at all.
func (t *trial) reachable(ctx context.Context) error {
	_, err := t.ways[0].Put(ctx, t.key("reachable"), []byte("here"), nil, objects.Condition{})
	return err
}

// readable fails where the bucket cannot be listed.
func (t *trial) readable(ctx context.Context) error {
	_, err := t.ways[0].List(ctx, objects.List{Prefix: t.prefix, Most: 1})
	return err
}

// wantsBareTags reports whether a swap goes wrong with the tag as it was given, and not
// without its quotes.
func (t *trial) wantsBareTags(ctx context.Context) (bool, error) {
	key := t.key("quotes")
	tag, err := t.ways[0].Put(ctx, key, []byte("first"), nil, objects.Condition{})
	if err != nil {
		return false, err
	}
	if _, err = t.ways[0].Put(ctx, key, []byte("second"), nil, objects.Condition{Match: tag}); err == nil {
		return false, nil
	}
	bare := objects.Tag(unquoted(string(tag)))
	_, err = t.ways[0].Put(ctx, key, []byte("third"), nil, objects.Condition{Match: bare})
	return err == nil, ctx.Err()
}

// unquoted is a text without the quotes around it.
func unquoted(text string) string {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// put writes an object on a condition, by one of the ways.
func (t *trial) put(ctx context.Context, way int, name, content string, only objects.Condition) (objects.Tag, error) {
	return t.ways[way%len(t.ways)].Put(ctx, t.key(name), []byte(content), nil, only)
}

// holds fails unless an object has a content by all ways.
func (t *trial) holds(ctx context.Context, name, content string) error {
	for _, way := range t.ways {
		found, err := way.Get(ctx, t.key(name), objects.Read{})
		if err != nil {
			return err
		}
		if string(found.Content) != content {
			return fmt.Errorf("read were %d bytes that begin with %.20q, where %d were written that begin with %.20q", len(found.Content), found.Content, len(content), content)
		}
	}
	return nil
}

// checkRefused fails unless a change was refused because of its condition.
func checkRefused(err error) error {
	switch {
	case err == nil:
		return errors.New("it was done in spite of the condition")
	case errors.Is(err, objects.ErrCondition), errors.Is(err, objects.ErrConflict), errors.Is(err, objects.ErrNotFound):
		return nil
	}
	return err
}
