package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"rvffs/store/state"
)

// description is a header in readable form whose verdict is still open.
type description struct{ document any }

// openVerdict stands where the verdict goes. It is as long as the longest.
const openVerdict = "unverified"

// view is header.json. Its size is known at once; the image is read and compared
// with its hash when somebody opens the file for the first time.
func (d description) view(image hashedImage) (state.View, error) {
	text, err := json.MarshalIndent(d.document, "", "  ")
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	const key = `_integrity": `
	quoted := []byte(key + `"` + openVerdict + `"`)
	word := bytes.Index(text, quoted) + len(key)
	length, behind := len(openVerdict)+2, ""
	if text[word+length] == ',' {
		length, behind = length+1, "," // the comma stays with the word
	}
	return settledView{segment: image.segment, text: text, word: word, length: length, settle: func(ctx context.Context) (string, error) {
		verdict, err := image.integrity(ctx)
		return fmt.Sprintf("%q%s", verdict, behind), err
	}}, nil
}
