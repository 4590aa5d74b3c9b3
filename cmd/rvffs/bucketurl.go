package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rvffs/store/volume/bucket/objects"
	"rvffs/store/volume/bucket/s3"
)

// bucketScheme begins the names of buckets.
const bucketScheme = "s3://"

// bucketPlace is where in a bucket something is.
type bucketPlace struct {
	bucket string
	prefix string // empty, or with a slash at its end
}

// String is the place as it is written.
func (p bucketPlace) String() string {
	return strings.TrimSuffix(bucketScheme+p.bucket+"/"+p.prefix, "/")
}

// errBucketName says how a place in a bucket is written.
var errBucketName = errors.New("a place in a bucket is written s3://BUCKET or s3://BUCKET/PREFIX")

// parseBucketPlace reads s3://BUCKET/PREFIX.
func parseBucketPlace(text string) (place bucketPlace, err error) {
	rest, is := strings.CutPrefix(text, bucketScheme)
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !is || bucket == "" || strings.ContainsAny(bucket, "@?#: ") {
		return place, fmt.Errorf("%q: %w", text, errBucketName)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return bucketPlace{bucket, prefix}, nil
}

// endpointFlag is the flag --endpoint, for servers other than Amazon's.
type endpointFlag struct{ urls []string }

// registerEndpoint declares the flag for a command.
func registerEndpoint(flags *pflag.FlagSet) *endpointFlag {
	e := &endpointFlag{}
	flags.StringArrayVar(&e.urls, "endpoint", nil, "the server's `URL`, http://HOST:PORT; several times for several gateways to one bucket (default: AWS_ENDPOINT_URL, or the profile's, or Amazon's)")
	return e
}

// open opens a bucket by each of the ways to it.
func (e *endpointFlag) open(ctx context.Context, bucket string, bareTags bool) (ways []objects.Bucket, err error) {
	urls := e.urls
	if len(urls) == 0 {
		urls = []string{""}
	}
	for _, text := range urls {
		if err := checkEndpoint(text); err != nil {
			return nil, err
		}
		way, err := s3.Open(ctx, s3.Settings{Bucket: bucket, Endpoint: text, BareTags: bareTags})
		if err != nil {
			return nil, err
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// checkEndpoint refuses what is no server's URL, above all one that holds a password: it
// would stand in the list of processes, and in logs.
func checkEndpoint(text string) error {
	if text == "" {
		return nil
	}
	found, err := url.Parse(text)
	switch {
	case err != nil, found.Host == "", found.Scheme != "http" && found.Scheme != "https":
		return errors.New("--endpoint is no URL of a server: http://HOST:PORT or https://HOST")
	case found.User != nil:
		return errors.New("--endpoint holds a name or a password: put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into ~/.aws/credentials")
	}
	return nil
}

// endpointVariable is where Amazon's tools, and so the client of buckets, look for a server.
const endpointVariable = "AWS_ENDPOINT_URL"

// useEndpoint has a command use the server that its flag names.
func useEndpoint(command *cobra.Command, _ []string) error {
	flag := command.Flags().Lookup("endpoint")
	if flag == nil || !flag.Changed || flag.Value.Type() != "string" {
		return nil // those that know several have a flag of their own
	}
	if err := checkEndpoint(flag.Value.String()); err != nil {
		return misused(command, err)
	}
	return os.Setenv(endpointVariable, flag.Value.String())
}
