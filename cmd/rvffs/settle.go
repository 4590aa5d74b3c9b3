package main

import (
	"errors"
	"fmt"
	"path"
	"sync/atomic"

	"github.com/spf13/cobra"

	"rvffs/store/volume/bucket"
)

// settling is what settle tells in JSON.
type settling struct {
	File string `json:"file"`
	bucket.Settled
}

func newSettleCommand() *cobra.Command {
	var answer *answerFlag
	command := &cobra.Command{
		Use:   "settle s3://BUCKET/NAME.rvf",
		Short: "Make one plain object of a store in a bucket",
		Long: "settle makes one object of a store that lies in several: its file, which other programs can read. Mounts that show the\n" +
			"store go on, and so do their writers: the next one who changes a large store makes several objects of it again. All bytes\n" +
			"go through this machine, and those in extents are checked. What is left of the extents goes with rvffs s3 sweep a day\n" +
			"later. One of more than 5 GiB the server makes of the extents by itself, if it can (rvffs s3 check tells that: settling).",
		Args:              takes("s3://BUCKET/NAME.rvf"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, arguments []string) (err error) {
			file := arguments[0]
			site, inBucket := siteOf(file).(bucketSite)
			if !inBucket {
				return misused(command, fmt.Errorf("%s is in no bucket: a store on a disk is one file already", file))
			}
			place, err := site.reach(site.folderOf(file), true)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, place.Close()) }()
			var read, size atomic.Int64
			stop := showProgress(command.ErrOrStderr(), func() (int64, int64) { return read.Load(), size.Load() })
			done, err := place.(*bucket.Volume).SettleStore(command.Context(), path.Base(file), func(bytes, of int64) {
				read.Add(bytes)
				size.Store(of)
			})
			stop()
			if err != nil {
				return err
			}
			text := "it was one plain object already"
			if done.Changed {
				text = fmt.Sprintf("one plain object of %d bytes, where there were %d extents", done.Bytes, done.Extents)
			}
			return answer.printf(command.OutOrStdout(), settling{file, done}, "%s: %s\n", file, text)
		},
	}
	answer = registerAnswer(command.Flags(), printsJSON)
	return command
}
