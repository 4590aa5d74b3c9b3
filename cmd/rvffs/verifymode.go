package main

import (
	"context"

	"github.com/spf13/pflag"

	"rvffs/store"
	"rvffs/store/state"
)

// verifyMode is a flag value.
type verifyMode struct{ state.VerifyMode }

// Set implements pflag.Value.
func (m *verifyMode) Set(name string) (err error) {
	m.VerifyMode, err = state.ParseVerifyMode(name)
	return err
}

// Type implements pflag.Value.
func (m *verifyMode) Type() string { return "mode" }

// Words are those to choose from.
func (m *verifyMode) Words() []string { return wordsOf(state.ParseVerifyMode) }

// verifyUsage is what --verify means.
const verifyUsage = "check the content hash of what is read: background (behind the reads), first (before anything is given out) or never"

// registerVerify declares the flag for a command that gives out what a store holds.
// A command ends soon, so it checks first.
func registerVerify(flags *pflag.FlagSet) *verifyMode {
	mode := &verifyMode{state.VerifyFirst}
	flags.Var(mode, "verify", verifyUsage)
	return mode
}

// withCheckedStore runs f on the store in file, which is opened for reading.
func withCheckedStore(ctx context.Context, file string, mode *verifyMode, f func(*store.Store) error) error {
	checker := state.NewChecker(mode.VerifyMode)
	defer checker.Close()
	return withOptions(ctx, file, toRead, store.Options{Checker: checker}, f)
}
