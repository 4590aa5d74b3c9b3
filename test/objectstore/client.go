package objectstore

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// client is one of the server that is not what is tested.
func (s *Server) client(rights Rights, endpoint string) *s3.Client {
	return s3.New(s3.Options{
		Region: Region, BaseEndpoint: &endpoint, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: rights.AccessKey, SecretAccessKey: rights.SecretKey}, nil
		}),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// makeBucket makes a bucket that may be there already.
func makeBucket(ctx context.Context, owner *s3.Client, bucket string) error {
	_, err := owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	var told smithy.APIError
	if errors.As(err, &told) && told.ErrorCode() == "BucketAlreadyOwnedByYou" {
		return nil
	}
	return err
}

// probe does with an object what a mount may.
func probe(ctx context.Context, user *s3.Client, bucket string) error {
	key := aws.String(Prefix + "probe")
	if _, err := user.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: key, Body: strings.NewReader("probe")}); err != nil {
		return err
	}
	if _, err := user.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket}); err != nil {
		return err
	}
	_, err := user.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: key})
	return err
}

// Object is the content of an object. The user reads it: Ceph does not let the bucket's owner
// read what others have put there.
func (s *Server) Object(t testing.TB, key string) []byte {
	t.Helper()
	answer, err := s.client(s.User, s.Endpoints[0]).GetObject(t.Context(), &s3.GetObjectInput{Bucket: &s.Bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Put puts an object into the bucket, as another program does.
func (s *Server) Put(t testing.TB, key, content string) {
	t.Helper()
	_, err := s.client(s.User, s.Endpoints[0]).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.Bucket, Key: &key, Body: strings.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
}

// KeepVersions has the bucket keep all versions of its objects.
func (s *Server) KeepVersions(t testing.TB) {
	t.Helper()
	_, err := s.client(s.Owner, s.Endpoints[0]).PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &s.Bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
}
