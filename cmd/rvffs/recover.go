package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/recovery"
	"rvffs/store/volume"
)

// recovered is what recover tells in JSON.
type recovered struct {
	File string `json:"file"`
	// Rebuilt says that no manifest was left in the file, and an empty store was put in
	// its place.
	Rebuilt bool `json:"rebuilt"`
	// AskMetric says that nothing in the file tells any more how distances are
	// measured, and that nobody has said it.
	AskMetric bool `json:"ask_metric,omitempty"`
	// Completed is the manifest of which the end was missing, put back or to be.
	Completed *recovery.CutManifest `json:"completed,omitempty"`
	// Mended are the segments of which the header was damaged, mended or not.
	Mended []recovery.HeaderRepair `json:"mended"`
	Tails  []recovery.Result       `json:"tails"`
}

func newRecoverCommand() *cobra.Command {
	var answer *answerFlag
	var metric *choice[segments.Metric]
	var options recovery.Options
	command := &cobra.Command{
		Use:   "recover FILE [TAIL...]",
		Short: "Bring back vectors whose manifest is gone",
		Long: "recover brings back what stands behind a store's newest manifest without being named by it, as in a file that lost\n" +
			"its end, and what was kept of such beside the store (FILE.tail-…) when somebody wrote to it: vectors with their ids,\n" +
			"deletions, embedded segments, in one commit for each tail. Nothing that the store has stored since is overwritten, and\n" +
			"what is doubtful is not taken, unless a flag says so: it is listed, and its tail stays. A tail of which nothing is\n" +
			"left to decide upon is removed. A segment's damaged header is written anew if its hash proves the content. A file without any manifest becomes a store again, with an identity of its own.\n" +
			"The store may stay mounted.\n" +
			"With names of kept tails, in the store's folder, only those are looked at. The exit status is 1 while something is\n" +
			"left to decide upon; with --list it is 0 unless the file cannot be read.",
		Args:              takes("FILE", "[TAIL...]"),
		ValidArgsFunction: offers(offerStores, offerFiles),
		RunE: func(command *cobra.Command, arguments []string) error {
			var measure *segments.Metric
			if metric.word != "" {
				measure = &metric.value
			}
			for _, tail := range arguments[1:] {
				options.Only = append(options.Only, filepath.Base(tail))
			}
			result, err := recoverFile(command, arguments[0], measure, options)
			if err != nil && len(result.Tails) == 0 && len(result.Mended) == 0 && !result.Rebuilt && result.Completed == nil {
				return err
			}
			if result.Tails == nil {
				result.Tails = []recovery.Result{}
			}
			if result.Mended == nil {
				result.Mended = []recovery.HeaderRepair{}
			}
			err = errors.Join(err, answer.print(command.OutOrStdout(), result, func(out io.Writer) error {
				return printRecovery(out, result, options)
			}))
			if err != nil || options.List {
				return err
			}
			for _, header := range result.Mended {
				if !header.Whole {
					return errors.New("a segment stays damaged")
				}
			}
			for _, tail := range result.Tails {
				if !tail.Gone {
					return errors.New("something is left to decide upon")
				}
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.BoolVar(&options.List, "list", false, "change nothing, and tell what would be done")
	flags.BoolVar(&options.Drop, "drop", false, "let the vectors go instead of bringing them back")
	flags.BoolVar(&options.Cut, "cut", false, "also take the whole vectors of segments that were cut, whose hash proves nothing any more")
	flags.BoolVar(&options.Overwrite, "overwrite", false, "also take what the store has stored or deleted again since")
	metric = among(flags, "metric", "", "", "distance of a file in which nothing tells it any more", segments.ParseMetric, wordsOf(segments.ParseMetric))
	answer = registerAnswer(flags, printsJSON)
	return command
}

func recoverFile(command *cobra.Command, file string, metric *segments.Metric, options recovery.Options) (recovered, error) {
	result := recovered{File: file}
	if len(options.Only) == 0 && !options.Drop {
		var err error
		if result.Completed, err = completeManifest(command.Context(), file, options.List); err != nil || options.List && result.Completed != nil {
			return result, err
		}
	}
	how := toChange
	if options.List {
		how = toRead
	}
	bringBack := func(s *store.Store) (err error) {
		if len(options.Only) == 0 && !options.Drop {
			if result.Mended, err = s.RecoverHeaders(command.Context(), options.List); err != nil {
				return err
			}
		}
		result.Tails, err = s.Recover(command.Context(), options)
		return err
	}
	err := withOptions(command.Context(), file, how, store.Options{}, bringBack)
	if !errors.Is(err, volume.ErrNotStore) || options.Drop {
		return result, err
	}
	if options.List {
		var tail recovery.Tail
		var measured bool
		found := onShelf(storeFile(file), false, func(shelf volume.Shelf, name string) (err error) {
			tail, measured, err = store.Salvageable(command.Context(), name, store.Options{Shelf: shelf})
			return err
		})
		if found != nil {
			return result, fmt.Errorf("%s: %w", file, found)
		}
		result.AskMetric = !measured && metric == nil
		listed := recovery.Result{Tail: tail, Recovered: tail.Vectors, Doubts: []recovery.Doubt{}}
		if options.Cut {
			listed.Recovered += tail.CutVectors
		}
		result.Tails = []recovery.Result{listed}
		return result, nil
	}
	err = onShelf(storeFile(file), true, func(shelf volume.Shelf, name string) error {
		return store.Rebuild(command.Context(), name, metric, store.Options{Shelf: shelf})
	})
	if err != nil {
		return result, err
	}
	result.Rebuilt = true
	return result, withOptions(command.Context(), file, toChange, store.Options{}, bringBack)
}

// completeManifest puts the end of a file's newest manifest back, or would if list is set; nil
// when nothing proves what it was. Whoever came from that very state, wherever he is, then finds
// it again, which he would not in a commit that brings the same vectors back.
func completeManifest(ctx context.Context, file string, list bool) (cut *recovery.CutManifest, err error) {
	err = onShelf(storeFile(file), true, func(shelf volume.Shelf, name string) error {
		options := store.Options{Shelf: shelf}
		found, err := store.CutManifest(ctx, name, options)
		if err != nil || found == nil {
			return ctx.Err() // who opens the store hears what is wrong with it
		}
		cut = found
		if list {
			return nil
		}
		return store.CompleteManifest(ctx, name, cut, options)
	})
	return cut, err
}

func printRecovery(out io.Writer, r recovered, options recovery.Options) error {
	var text strings.Builder
	if r.Rebuilt {
		fmt.Fprintf(&text, "%s: no manifest was left in it; it is a new store now\n", r.File)
	}
	if m := r.Completed; m != nil {
		verb := ""
		if options.List {
			verb = "would be "
		}
		fmt.Fprintf(&text, "%s: the last %d bytes of the manifest of epoch %d, at offset %d, %sput back: the rest tells them, and its hash proves them; the store is what it was, also for its branches and children\n",
			r.File, m.Missing, m.Epoch, m.Offset, verb)
	}
	if r.AskMetric {
		fmt.Fprintf(&text, "%s: nothing in it tells any more how distances are measured: say it with --metric\n", r.File)
	}
	for _, h := range r.Mended {
		verb := ""
		switch {
		case h.Whole && options.List:
			verb = "would be mended"
		case h.Whole:
			verb = "mended"
		default:
			fmt.Fprintf(&text, "%s: the %s segment at offset %d stays damaged: %s\n", r.File, h.Type, h.Offset, h.Reason)
			continue
		}
		fmt.Fprintf(&text, "%s: header of the %s segment at offset %d %s: %s\n", r.File, h.Type, h.Offset, verb, h.Reason)
	}
	if len(r.Tails) == 0 && len(r.Mended) == 0 && r.Completed == nil {
		fmt.Fprintf(&text, "%s: nothing to recover\n", r.File)
	}
	for _, t := range r.Tails {
		if t.File == "" && t.LostEpoch > 0 {
			told := fmt.Sprintf("tells of that in its epoch %d, and gives", t.RecoveredAt)
			if options.List {
				told = "would tell of that, and give"
			}
			fmt.Fprintf(&text, "%s: the state of epoch %d is lost, and nothing of it is left that could be brought back; the store %s no other state that epoch\n", r.File, t.LostEpoch, told)
			continue
		}
		place := fmt.Sprintf("behind epoch %d", t.Tail.Epoch)
		if t.NoManifest {
			place = "without a manifest"
		}
		fmt.Fprintf(&text, "%s: %s, %d bytes %s\n", t.File, t.Tail.String(), t.Bytes, place)
		if t.Dropped {
			fmt.Fprintf(&text, "  let go, epoch %d\n", t.RecoveredAt)
			if t.Stays != "" {
				fmt.Fprintf(&text, "  %s stays, for it cannot be removed\n", t.File)
			}
			continue
		}
		if options.List && t.NoManifest && !t.Kept {
			fmt.Fprintf(&text, "  up to %d vectors would be recovered, into a new store with an identity of its own, which no branch or child finds as its parent\n", t.Recovered)
			continue
		}
		verb := ""
		if options.List {
			verb = "would be "
		}
		fmt.Fprintf(&text, "  %d vectors %srecovered, %d were there already, %d deletions, %d other segments", t.Recovered, verb, t.Present, t.Deleted, t.Others)
		if t.Listed > 0 {
			fmt.Fprintf(&text, ", %d branches listed again", t.Listed)
		}
		if t.RecoveredAt > 0 {
			fmt.Fprintf(&text, ", epoch %d", t.RecoveredAt)
		}
		text.WriteString("\n")
		if t.LeftOut > 0 {
			fmt.Fprintf(&text, "  %d vectors left out: the manifest that was cut does not name them\n", t.LeftOut)
		}
		for _, d := range t.Doubts {
			fmt.Fprintf(&text, "  not taken: %d %s%s: %s\n", d.Count, d.Reason, listedIDs(d), d.Remedy)
		}
		switch {
		case options.List:
		case t.Stays != "":
			fmt.Fprintf(&text, "  %s stays, for it cannot be removed; nothing in it is left to decide upon\n", t.File)
		case t.Gone:
			fmt.Fprintf(&text, "  %s is gone\n", t.File)
		default:
			fmt.Fprintf(&text, "  %s stays\n", t.File)
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// listedIDs tells the first ids of a doubt.
func listedIDs(d recovery.Doubt) string {
	if len(d.IDs) == 0 {
		return ""
	}
	words := make([]string, len(d.IDs))
	for i, id := range d.IDs {
		words[i] = fmt.Sprint(id)
	}
	if uint64(len(words)) < d.Count {
		words = append(words, "…")
	}
	return " (" + strings.Join(words, ", ") + ")"
}
