package s3

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"rvffs/store/volume/bucket/objects"
)

// List implements objects.Bucket.
func (b *Bucket) List(ctx context.Context, list objects.List) (*objects.Page, error) {
	// Keys may hold what XML cannot.
	ask := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &list.Prefix, EncodingType: types.EncodingTypeUrl}
	if list.Delimiter != "" {
		ask.Delimiter = &list.Delimiter
	}
	switch {
	case list.After != "":
		ask.ContinuationToken = &list.After
	case list.From != "":
		ask.StartAfter = &list.From
	}
	if list.Most > 0 {
		ask.MaxKeys = aws.Int32(int32(list.Most))
	}
	answer, err := b.client.ListObjectsV2(ctx, ask)
	if err != nil {
		return nil, b.problem("list", list.Prefix, err)
	}
	plain := func(text *string) string { return aws.ToString(text) }
	if answer.EncodingType == types.EncodingTypeUrl {
		plain = func(text *string) string {
			key, problem := url.QueryUnescape(aws.ToString(text))
			if problem != nil {
				err = problem
			}
			return key
		}
	}
	page := &objects.Page{}
	for _, object := range answer.Contents {
		page.Entries = append(page.Entries, objects.Entry{
			Key: plain(object.Key), Size: aws.ToInt64(object.Size), Tag: tagOf(object.ETag), Modified: aws.ToTime(object.LastModified),
		})
	}
	for _, prefix := range answer.CommonPrefixes {
		page.Prefixes = append(page.Prefixes, plain(prefix.Prefix))
	}
	if aws.ToBool(answer.IsTruncated) {
		page.Next = aws.ToString(answer.NextContinuationToken)
	}
	return page, b.problem("list", list.Prefix, err)
}
