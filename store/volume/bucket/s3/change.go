package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"rvffs/store/volume/bucket/objects"
)

// Put implements objects.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, content []byte, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	return b.PutLong(ctx, key, bytes.NewReader(content), int64(len(content)), meta, only)
}

// PutLong implements objects.Bucket.
func (b *Bucket) PutLong(ctx context.Context, key string, content io.ReadSeeker, length int64, meta objects.Metadata, only objects.Condition) (objects.Tag, error) {
	match, none := b.condition(only)
	answer, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: content, ContentLength: &length, Metadata: meta, IfMatch: match, IfNoneMatch: none,
	})
	if err != nil {
		return "", b.problem("write", key, err)
	}
	return tagOf(answer.ETag), nil
}

// Delete implements objects.Bucket.
func (b *Bucket) Delete(ctx context.Context, key string, only objects.Condition) error {
	match, _ := b.condition(only)
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key, IfMatch: match})
	if err = b.problem("delete", key, err); only == (objects.Condition{}) && errors.Is(err, objects.ErrNotFound) {
		return nil // some servers say so
	}
	return err
}

// Copy implements objects.Bucket.
func (b *Bucket) Copy(ctx context.Context, from, to string) (objects.Tag, error) {
	answer, err := b.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b.name, Key: &to, CopySource: b.source(from)})
	if err != nil {
		return "", b.problem("copy to", to, err)
	}
	if answer.CopyObjectResult == nil {
		return "", b.problem("copy to", to, errNoTag)
	}
	return tagOf(answer.CopyObjectResult.ETag), nil
}

// errNoTag means that a server answered without saying what it has made.
var errNoTag = fmt.Errorf("%w: it answers without a tag", objects.ErrServer)

// source names an object as that from which bytes are copied. Servers read a plus sign in it
// as a space.
func (b *Bucket) source(key string) *string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), "+", "%2B")
	}
	return aws.String(b.name + "/" + strings.Join(parts, "/"))
}

// Begin implements objects.Uploads.
func (b *Bucket) Begin(ctx context.Context, key string, meta objects.Metadata) (objects.Upload, error) {
	answer, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: &key, Metadata: meta})
	if err != nil {
		return "", b.problem("begin to write", key, err)
	}
	return objects.Upload(aws.ToString(answer.UploadId)), nil
}

// PutPart implements objects.Uploads.
func (b *Bucket) PutPart(ctx context.Context, key string, upload objects.Upload, number int, content []byte) (objects.Tag, error) {
	answer, err := b.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &b.name, Key: &key, UploadId: aws.String(string(upload)), PartNumber: aws.Int32(int32(number)),
		Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))),
	})
	if err != nil {
		return "", b.problem(fmt.Sprintf("write part %d of", number), key, err)
	}
	return tagOf(answer.ETag), nil
}

// CopyPart implements objects.Uploads.
func (b *Bucket) CopyPart(ctx context.Context, key string, upload objects.Upload, number int, from string, offset, length int64) (objects.Tag, error) {
	answer, err := b.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &b.name, Key: &key, UploadId: aws.String(string(upload)), PartNumber: aws.Int32(int32(number)),
		CopySource: b.source(from), CopySourceRange: rangeOf(objects.Read{Offset: offset, Length: length}),
	})
	did := fmt.Sprintf("copy part %d of", number)
	if err != nil {
		return "", b.problem(did, key, err)
	}
	if answer.CopyPartResult == nil {
		return "", b.problem(did, key, errNoTag)
	}
	return tagOf(answer.CopyPartResult.ETag), nil
}

// Complete implements objects.Uploads.
func (b *Bucket) Complete(ctx context.Context, key string, upload objects.Upload, parts []objects.Tag, only objects.Condition) (objects.Tag, error) {
	match, none := b.condition(only)
	named := make([]types.CompletedPart, len(parts))
	for i, tag := range parts {
		named[i] = types.CompletedPart{ETag: aws.String(string(tag)), PartNumber: aws.Int32(int32(i + 1))}
	}
	answer, err := b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.name, Key: &key, UploadId: aws.String(string(upload)), MultipartUpload: &types.CompletedMultipartUpload{Parts: named},
		IfMatch: match, IfNoneMatch: none,
	})
	if err != nil {
		return "", b.problem("write the whole of", key, err)
	}
	return tagOf(answer.ETag), nil
}

// Abort implements objects.Uploads.
func (b *Bucket) Abort(ctx context.Context, key string, upload objects.Upload) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &key, UploadId: aws.String(string(upload))})
	return b.problem("give up writing", key, err)
}
