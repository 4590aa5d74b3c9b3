package incoming

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"strings"
	"unicode/utf8"
)

// temporaryEndings end the names of what is not complete yet, after the habits of rclone,
// browsers, editors and clients of SFTP.
var temporaryEndings = []string{".partial", ".part", ".filepart", ".crdownload", ".tmp", "~"}

// Temporary reports whether a name is one that programs give a file until all of it has
// come. They rename it then. What is in a folder of such a name waits as well.
func Temporary(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if temporary(part) {
			return true
		}
	}
	return false
}

func temporary(name string) bool {
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

// errorName is the name of the file that says why one of a name was refused. Of a name that
// is too long for that, the first part is left and a few digits that tell it from others.
func errorName(name string) string {
	folder, base := path.Split(name)
	if len(base)+len(errorEnding) > longestName {
		sum := sha256.Sum256([]byte(base))
		digits := "-" + hex.EncodeToString(sum[:4])
		left := longestName - len(errorEnding) - len(digits)
		for left > 0 && !utf8.RuneStart(base[left]) {
			left--
		}
		base = base[:left] + digits
	}
	return folder + base + errorEnding
}
