package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// choice is the value of a flag that is one of several words.
type choice[T any] struct {
	value T
	word  string // as it was given; empty if it was not
	parse func(string) (T, error)
	words []string
}

// among declares a flag that is one of several words. The help text lists them after its
// usage, and the shell offers them.
func among[T any](flags *pflag.FlagSet, name, short, preset, usage string, parse func(string) (T, error), words []string) *choice[T] {
	c := &choice[T]{parse: parse, words: words}
	if preset != "" {
		if err := c.Set(preset); err != nil {
			panic(fmt.Sprintf("flag %s: %v", name, err))
		}
	}
	if usage != "" {
		usage += ": "
	}
	flags.VarP(c, name, short, usage+strings.Join(words, ", "))
	return c
}

// wordsOf lists the words that parse can read, in the order of what they stand for.
func wordsOf[T interface {
	~uint8
	fmt.Stringer
}](parse func(string) (T, error)) (words []string) {
	for i := range 1 << 8 {
		name := T(i).String()
		if value, err := parse(name); err == nil && value == T(i) {
			words = append(words, name)
		}
	}
	return words
}

// given are the values of the choice: one, or none if nothing was chosen.
func (c *choice[T]) given() []T {
	if c.word == "" {
		return nil
	}
	return []T{c.value}
}

// Set implements pflag.Value.
func (c *choice[T]) Set(text string) error {
	value, err := c.parse(text)
	if err != nil {
		return fmt.Errorf("it is none of %s", strings.Join(c.words, ", "))
	}
	c.value, c.word = value, text
	return nil
}

// String implements pflag.Value.
func (c *choice[T]) String() string { return c.word }

// Type names the value in the help text.
func (c *choice[T]) Type() string { return "word" }

// Words are those to choose from.
func (c *choice[T]) Words() []string { return c.words }
