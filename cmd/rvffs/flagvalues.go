package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"rvffs/fs"
	"rvffs/lineage"
	"rvffs/store"
)

// toggle is the value of a flag that is set or not.
type toggle bool

// isToggle reports whether a value is one that need not be said.
func isToggle(value pflag.Value) bool {
	_, toggles := value.(*toggle)
	return toggles
}

// String implements pflag.Value.
func (t *toggle) String() string { return strconv.FormatBool(bool(*t)) }

// Type names the value in the help text.
func (t *toggle) Type() string { return "bool" }

// Set implements pflag.Value.
func (t *toggle) Set(text string) error {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	*t = toggle(value)
	return nil
}

// name is the value of a flag that is a name or a text.
type name string

// String implements pflag.Value.
func (n *name) String() string { return string(*n) }

// Type names the value in the help text.
func (n *name) Type() string { return "name" }

// Set implements pflag.Value.
func (n *name) Set(text string) error {
	*n = name(text)
	return nil
}

// interval is the value of a flag that is a time.
type interval time.Duration

// String implements pflag.Value.
func (i *interval) String() string { return time.Duration(*i).String() }

// Type names the value in the help text.
func (i *interval) Type() string { return "time" }

// Set implements pflag.Value.
func (i *interval) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is no time, such as 5s", text)
	}
	if value < 0 {
		return fmt.Errorf("%q is less than no time", text)
	}
	*i = interval(value)
	return nil
}

// dimension is the value of a flag that is the number of a vector's components.
type dimension int

// maxDimension is the highest that the format can say.
const maxDimension = 1<<16 - 1

// String implements pflag.Value.
func (d *dimension) String() string { return strconv.Itoa(int(*d)) }

// Type names the value in the help text.
func (d *dimension) Type() string { return "number" }

// Set implements pflag.Value.
func (d *dimension) Set(text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < 0 || value > maxDimension {
		return fmt.Errorf("%q is no number from 0 to %d", text, maxDimension)
	}
	*d = dimension(value)
	return nil
}

// durability is the value of a flag that is a promise.
type durability struct{ store.Durability }

// Set implements pflag.Value.
func (d *durability) Set(name string) (err error) {
	d.Durability, err = store.ParseDurability(name)
	return err
}

// Words are those to choose from.
func (d *durability) Words() []string { return wordsOf(store.ParseDurability) }

// Type names the value in the help text.
func (d *durability) Type() string { return "promise" }

// views is the value of a flag that says what folders list.
type views struct{ fs.Views }

// Set implements pflag.Value.
func (v *views) Set(name string) (err error) {
	v.Views, err = fs.ParseViews(name)
	return err
}

// Words are those to choose from.
func (v *views) Words() []string {
	return []string{fs.ViewsAll.String(), fs.ViewsRaw.String(), fs.ViewsNone.String()}
}

// Type names the value in the help text.
func (v *views) Type() string { return "which" }

// derivedContent is the value of a flag that says what a derived store shows.
type derivedContent struct{ store.Content }

// Set implements pflag.Value.
func (d *derivedContent) Set(word string) (err error) {
	d.Content, err = store.ParseContent(word)
	return err
}

// Words are those to choose from.
func (d *derivedContent) Words() []string { return wordsOf(store.ParseContent) }

// Type names the value in the help text.
func (d *derivedContent) Type() string { return "what" }

// derivationType is the value of a flag that says how derived stores come from their parents.
type derivationType struct{ lineage.DerivationType }

// Set implements pflag.Value.
func (d *derivationType) Set(word string) (err error) {
	d.DerivationType, err = lineage.ParseDerivationType(word)
	return err
}

// Words are those to choose from.
func (d *derivationType) Words() []string { return wordsOf(lineage.ParseDerivationType) }

// Type names the value in the help text.
func (d *derivationType) Type() string { return "type" }

// logLevel is the value of a flag that says how much is logged.
type logLevel string

const defaultLogLevel logLevel = "info"

// String implements pflag.Value.
func (l *logLevel) String() string { return string(*l) }

// Type names the value in the help text.
func (l *logLevel) Type() string { return "level" }

// Words are those to choose from.
func (l *logLevel) Words() []string { return []string{"debug", "info", "warn", "error"} }

// Set implements pflag.Value.
func (l *logLevel) Set(text string) error {
	if _, err := zerolog.ParseLevel(text); err != nil || text == "" {
		return fmt.Errorf("%q is none of %s", text, strings.Join(l.Words(), ", "))
	}
	*l = logLevel(text)
	return nil
}

// plainly says what is wrong with a flag in words for people.
func plainly(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	cause := errors.Unwrap(invalid)
	var number *strconv.NumError
	switch {
	case errors.As(cause, &number) && errors.Is(number.Err, strconv.ErrRange):
		cause = errors.New("it is out of range")
	case errors.As(cause, &number):
		cause = errors.New("it is no number")
	}
	return fmt.Errorf("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), cause)
}

// size is a number of bytes, written with or without K, M or G for powers of 1024.
type size int64

// String gives the number of bytes.
func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

// Type names the value in the help text.
func (s *size) Type() string { return "bytes" }

// Set parses a number of bytes.
func (s *size) Set(text string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I")
	shift := 0
	if number != "" {
		if unit := strings.IndexByte("KMG", number[len(number)-1]); unit >= 0 {
			shift, number = 10*(unit+1), number[:len(number)-1]
		}
	}
	value, err := strconv.ParseInt(number, 10, 64)
	if err != nil || value < 0 || value > (1<<62)>>shift {
		return fmt.Errorf("%q is no number of bytes", text)
	}
	*s = size(value << shift)
	return nil
}

// readAhead is a number of bytes that is written in KiB, as the kernel's own setting is,
// or with K, M or G.
type readAhead int64

// mostReadAhead keeps what is written by mistake from filling the memory.
const mostReadAhead = 1 << 30

// String gives the number of KiB.
func (r *readAhead) String() string { return strconv.FormatInt(int64(*r)>>10, 10) }

// Type names the value in the help text.
func (r *readAhead) Type() string { return "KiB" }

// Set parses a number of KiB.
func (r *readAhead) Set(text string) error {
	kib := text
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		kib += "K"
	}
	var bytes size
	if err := bytes.Set(kib); err != nil || bytes > mostReadAhead || bytes%(1<<10) != 0 {
		return fmt.Errorf("%q is no number of whole KiB up to 1G", text)
	}
	*r = readAhead(bytes)
	return nil
}
