package incoming

import (
	"strings"
)

// temporaryEndings end the names of what is not complete yet, after the habits of rclone,
// browsers, editors and clients of SFTP.
var temporaryEndings = []string{".partial", ".part", ".filepart", ".crdownload", ".tmp", "~"}

// Temporary reports whether a name is one that programs give a file until all of it has
// come. They rename it then.
func Temporary(name string) bool {
	if strings.HasPrefix(name, ".") {
		return true
	}
	for _, ending := range temporaryEndings {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// replacing begins the name under which DuckDB writes a file that is to replace another.
// Only where that one is there is the name a temporary one.
const replacing = "tmp_"

// errorEnding ends the name of the file that says why another one was refused.
const errorEnding = ".error"
