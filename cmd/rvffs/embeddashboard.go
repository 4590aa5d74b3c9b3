package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"rvffs/segments"
	"rvffs/store"
	"rvffs/store/compute"
)

func newEmbedDashboardCommand() *cobra.Command {
	var framework *choice[segments.DashboardFramework]
	var entry string
	var answer *answerFlag
	command := &cobra.Command{
		Use:               "embed-dashboard FILE DIRECTORY",
		Short:             "Put a dashboard, all files of a directory, into a store",
		Args:              takes("FILE", "DIRECTORY"),
		ValidArgsFunction: offers(offerStores, offerFolders),
		RunE: func(command *cobra.Command, arguments []string) error {
			files, total, closeAll, err := openTree(arguments[1])
			if err == nil {
				config := compute.DashboardConfig{Framework: framework.value, EntryPath: entry, BuildTime: uint64(time.Now().Unix())}
				err = withStore(command.Context(), arguments[0], toChange, func(s *store.Store) error {
					epoch, err := s.EmbedDashboard(command.Context(), files, config)
					if err != nil {
						return err
					}
					return printEmbedded(command, s, embedded{File: arguments[0], Epoch: epoch, Bytes: total}, "dashboard", answer, func(s *store.Store) (any, error) {
						dashboard, err := s.ExtractDashboard(command.Context())
						if err != nil {
							return nil, err
						}
						return dashboard.Describe(), nil
					})
				})
			}
			return errors.Join(err, closeAll())
		},
	}
	flags := command.Flags()
	framework = among(flags, "framework", "", "custom", "", segments.ParseDashboardFramework, wordsOf(segments.ParseDashboardFramework))
	flags.StringVar(&entry, "entry", "", "the `file` to begin with, by its path in the directory")
	answer = registerAnswer(flags, printsJSON)
	return command
}

// openTree lists the regular files below a directory; links are not followed. One
// at a time is open, while it is read. total is the number of their bytes.
func openTree(directory string) (files []compute.DashboardFile, total int64, closeAll func() error, err error) {
	current := &openFile{}
	if info, err := os.Stat(directory); err != nil {
		return nil, 0, current.close, err
	} else if !info.IsDir() {
		return nil, 0, current.close, fmt.Errorf("%s is no directory: name the one that the dashboard's files are in", directory)
	}
	err = filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(directory, name)
		if err != nil {
			return err
		}
		files = append(files, compute.DashboardFile{Path: filepath.ToSlash(relative), Content: lateFile{name, current}, Size: info.Size()})
		total += info.Size()
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there are no files in %s", directory)
	}
	return files, total, current.close, err
}

// openFile is the file that is being read.
type openFile struct {
	name string
	file *os.File
}

func (o *openFile) close() error {
	if o.file == nil {
		return nil
	}
	err := o.file.Close()
	o.file = nil
	return err
}

// lateFile is a file that is opened when it is read.
type lateFile struct {
	name    string
	current *openFile
}

// ReadAt implements io.ReaderAt.
func (l lateFile) ReadAt(p []byte, offset int64) (int, error) {
	if l.current.file == nil || l.current.name != l.name {
		if err := l.current.close(); err != nil {
			return 0, err
		}
		file, err := os.Open(l.name)
		if err != nil {
			return 0, err
		}
		l.current.name, l.current.file = l.name, file
	}
	return l.current.file.ReadAt(p, offset)
}
