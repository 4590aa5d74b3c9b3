package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"rvffs/store/volume/bucket/objects"
)

// Get implements objects.Bucket.
func (b *Bucket) Get(ctx context.Context, key string, read objects.Read) (*objects.Object, error) {
	answer, err := b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: &key, Range: rangeOf(read), IfMatch: b.matching(read.Match), IfNoneMatch: b.matching(read.NoneMatch),
	})
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return b.head(ctx, key, read)
	}
	if err != nil {
		return nil, b.problem("read", key, err)
	}
	defer answer.Body.Close()
	found := &objects.Object{
		Size: aws.ToInt64(answer.ContentLength), Tag: tagOf(answer.ETag), Modified: aws.ToTime(answer.LastModified), Metadata: answer.Metadata,
	}
	if answer.ContentRange != nil {
		if found.Size, err = totalOf(*answer.ContentRange); err != nil {
			return nil, b.problem("read", key, err)
		}
	}
	if found.Content, err = readAll(answer.Body, read.Into); err != nil {
		return nil, b.problem("read", key, err)
	}
	if told := aws.ToInt64(answer.ContentLength); told != int64(len(found.Content)) {
		return nil, b.problem("read", key, fmt.Errorf("%w: %d bytes, and the answer says %d", io.ErrUnexpectedEOF, len(found.Content), told))
	}
	if read.Offset < 0 && read.Length > 0 {
		found.Content = found.Content[:min(read.Length, int64(len(found.Content)))]
	}
	return found, nil
}

// readAll reads what a server sends, into room that is there or as it comes: the length that it
// says is no reason to take so much memory before it has sent it.
func readAll(body io.Reader, into []byte) ([]byte, error) {
	into = into[:cap(into)]
	n, err := io.ReadFull(body, into)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return into[:n], nil
	}
	if err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(body)
	if len(rest) == 0 || err != nil {
		return into, err
	}
	return append(into[:n:n], rest...), nil
}

// head is Get of a run in which there is nothing.
func (b *Bucket) head(ctx context.Context, key string, read objects.Read) (*objects.Object, error) {
	answer, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &b.name, Key: &key, IfMatch: b.matching(read.Match), IfNoneMatch: b.matching(read.NoneMatch),
	})
	if err != nil {
		return nil, b.problem("look at", key, err)
	}
	return &objects.Object{
		Size: aws.ToInt64(answer.ContentLength), Tag: tagOf(answer.ETag), Modified: aws.ToTime(answer.LastModified), Metadata: answer.Metadata,
	}, nil
}

// rangeOf is the run that is read, as a header; nil for all.
func rangeOf(read objects.Read) *string {
	switch {
	case read.Offset < 0: // there is none for a part of a suffix
		return aws.String(fmt.Sprintf("bytes=%d", read.Offset))
	case read.Length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", read.Offset, read.Offset+read.Length-1))
	case read.Offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", read.Offset))
	}
	return nil
}

// totalOf is the size of the whole object in a Content-Range.
func totalOf(contentRange string) (int64, error) {
	_, total, _ := strings.Cut(contentRange, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("an answer of the range %q: %w", contentRange, err)
	}
	return size, nil
}
