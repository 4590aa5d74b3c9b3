package fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rvffs/store/catalog"
	"rvffs/store/volume"
)

// ctlInlet is the file by which a store is told what to do.
var ctlInlet = inlet{
	name: catalog.NameControl,
	text: "Write one of these commands, with a line end:\n\n" +
		"compact        rewrite the store without dead bytes; status.json tells how far it is\n" +
		"flatten        copy into a branch's file what it shows of its parent's, which it needs no more then\n" +
		"flush          commit the whole records of all open streams; bulk loads wait for their close\n" +
		"freeze         let nothing change the store any more, for good\n" +
		"remove kernel  take the kernel out; likewise ebpf, wasm, dashboard. Where there are several,\n" +
		"               say which: by architecture, type or role, by the folder in all/, or all\n\n" +
		"The write returns when it is done, or fails: last_error in status.json tells why then. To\n" +
		"remove the whole store, say: rvffs rm STORE\n",
	open: func(ctx context.Context, s *catalog.Store) (stream, error) {
		_, err := s.AllowNewest(ctx, volume.Write)
		return &commands{store: s, asOpener: s.KeepCaller(ctx)}, err
	},
}

// longestCommand bounds, in bytes, what is kept of a line that has not ended.
const longestCommand = 64

// commands is a stream of lines, each carried out by the write that ends its line.
type commands struct {
	store *catalog.Store
	// asOpener lets a command be carried out for the one who opened the file.
	asOpener func(context.Context) context.Context
	line     []byte
	received int64
}

// Afford has nothing to wait for.
func (c *commands) Afford(context.Context, int) error { return nil }

// Write carries out every command that it completes. It takes what stands in front of one
// that was given up, which can be said again.
func (c *commands) Write(ctx context.Context, p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		said := len(c.line)
		word, behind, ended := bytes.Cut(rest, []byte("\n"))
		if len(c.line)+len(word) > longestCommand {
			c.line = nil
			return 0, fmt.Errorf("%w: a command of more than %d bytes", volume.ErrInput, longestCommand)
		}
		c.line = append(c.line, word...)
		if ended {
			err := c.carryOut(ctx)
			if errors.Is(err, context.Canceled) {
				c.line = c.line[:said]
				return len(p) - len(rest), err
			}
			if err != nil {
				return 0, err
			}
		}
		c.received += int64(len(rest) - len(behind))
		rest = behind
	}
	return len(p), nil
}

// carryOut carries out the line at hand. One that is no command stays as it is, and one that
// was given up.
func (c *commands) carryOut(ctx context.Context) error {
	ctx = c.asOpener(ctx)
	command := strings.Fields(string(c.line))
	var err error
	switch {
	case len(command) == 0:
	case slices.Equal(command, []string{"compact"}):
		err = c.store.Compact(ctx)
	case slices.Equal(command, []string{"flatten"}):
		err = c.store.Flatten(ctx)
	case slices.Equal(command, []string{"flush"}):
		err = c.store.Flush(ctx)
	case slices.Equal(command, []string{"freeze"}):
		err = c.store.Freeze(ctx)
	case command[0] == "remove" && len(command) == 2:
		err = c.store.RemoveImages(ctx, command[1], "")
	case command[0] == "remove" && len(command) == 3:
		err = c.store.RemoveImages(ctx, command[1], command[2])
	default:
		err = fmt.Errorf("%w: %q is no command; read this file for those there are", volume.ErrInput, bytes.TrimSpace(c.line))
		c.store.Refused(err)
		return err
	}
	if !errors.Is(err, context.Canceled) {
		c.line = nil
	}
	return err
}

func (c *commands) Received() int64 { return c.received }

// Refuse drops what has not been carried out.
func (c *commands) Refuse(cause error) error {
	c.line = nil
	return cause
}

// Flush carries out a last command that came without a line end.
func (c *commands) Flush(ctx context.Context) error { return c.carryOut(ctx) }

// Handover is Flush: no command is the beginning of another.
func (c *commands) Handover(ctx context.Context) error { return c.carryOut(ctx) }

func (c *commands) Pause(context.Context) error   { return nil }
func (c *commands) Commit(context.Context) error  { return nil }
func (c *commands) Abandon(context.Context) error { return nil }
func (c *commands) Close(context.Context) error   { return nil }
