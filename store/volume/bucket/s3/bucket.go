package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"rvffs/store/volume/bucket/objects"
)

// Settings say where a bucket is.
type Settings struct {
	Bucket   string
	Endpoint string // the server's URL; empty: as the environment or the profile say, or Amazon's
	// BareTags: the server knows a tag in a condition only without the quotes that it gave
	// it in, as Ceph's does.
	BareTags bool
}

// defaultRegion is that of who has set none. Servers other than Amazon's know no regions, but
// requests are signed for one.
const defaultRegion = "us-east-1"

// Bucket is one that a server holds.
type Bucket struct {
	client   *s3.Client
	name     string
	bareTags bool
}

var _ objects.Bucket = (*Bucket)(nil)

// Open finds out with which rights a bucket is reached. It asks the server nothing.
func Open(ctx context.Context, settings Settings) (*Bucket, error) {
	found, err := config.LoadDefaultConfig(ctx, config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		return nil, fmt.Errorf("bucket %q: %w", settings.Bucket, err)
	}
	if found.Region == "" {
		found.Region = defaultRegion
	}
	client := s3.NewFromConfig(found, func(o *s3.Options) {
		if settings.Endpoint != "" {
			o.BaseEndpoint = &settings.Endpoint
		}
		// A bucket's name in front of the host's is Amazon's way only.
		o.UsePathStyle = o.BaseEndpoint != nil
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	return &Bucket{client: client, name: settings.Bucket, bareTags: settings.BareTags}, nil
}

// matching is a tag as a condition has it; nil without one.
func (b *Bucket) matching(tag objects.Tag) *string {
	switch text := string(tag); {
	case text == "":
		return nil
	case b.bareTags:
		text = strings.Trim(text, `"`)
		return &text
	default:
		return &text
	}
}

// condition is what a change depends on, as its headers.
func (b *Bucket) condition(only objects.Condition) (match, none *string) {
	if only.None {
		none = aws.String("*")
	}
	return b.matching(only.Match), none
}

// tagOf is a tag of an answer, in quotes: some servers leave them away where the answer is no
// header.
func tagOf(tag *string) objects.Tag {
	text := aws.ToString(tag)
	if text != "" && !strings.HasSuffix(text, `"`) {
		text = `"` + text + `"`
	}
	return objects.Tag(text)
}
