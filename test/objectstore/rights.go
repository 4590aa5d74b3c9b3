package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Prefix is where in the bucket the user has rights.
const Prefix = "team/"

// documented is the example of docs/object-store.md, in JSON, that has a field at its top.
func documented(field string) (map[string]any, error) {
	_, here, _, _ := runtime.Caller(0)
	page, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../docs/object-store.md"))
	if err != nil {
		return nil, err
	}
	for _, block := range regexp.MustCompile("(?s)\n```json\n(.*?)```\n").FindAllSubmatch(page, -1) {
		var example map[string]any
		if err := json.Unmarshal(block[1], &example); err != nil {
			return nil, fmt.Errorf("an example in JSON in the documentation: %w", err)
		}
		if _, found := example[field]; found {
			return example, nil
		}
	}
	return nil, fmt.Errorf("the documentation has no example with %q", field)
}

// grant gives a user the rights to a bucket that the documentation says.
func grant(ctx context.Context, owner *s3.Client, bucket, user string) error {
	policy, err := documented("Statement")
	if err != nil {
		return err
	}
	for _, statement := range policy["Statement"].([]any) {
		statement.(map[string]any)["Principal"] = map[string]any{"AWS": []string{user}}
	}
	text, err := json.Marshal(policy)
	if err == nil {
		_, err = owner.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(string(text))})
	}
	return err
}

// documentedActions is what a user may do, as SeaweedFS is told.
func documentedActions() ([]string, error) {
	example, err := documented("identities")
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(example)
	if err != nil {
		return nil, err
	}
	var rights struct{ Identities []struct{ Actions []string } }
	if err := json.Unmarshal(text, &rights); err != nil {
		return nil, err
	}
	if len(rights.Identities) != 1 {
		return nil, errors.New("the documentation has not one identity in its example")
	}
	return rights.Identities[0].Actions, nil
}
