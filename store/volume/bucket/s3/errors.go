package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rvffs/store/volume/bucket/objects"
)

// causes are what answers mean, by their status.
var causes = map[int]error{
	http.StatusNotModified:        objects.ErrSame,
	http.StatusUnauthorized:       objects.ErrDenied,
	http.StatusForbidden:          objects.ErrDenied,
	http.StatusNotFound:           objects.ErrNotFound,
	http.StatusConflict:           objects.ErrConflict,
	http.StatusPreconditionFailed: objects.ErrCondition,
	http.StatusTooManyRequests:    objects.ErrServer,
}

// problem says what became of a request about a key, or about the bucket.
func (b *Bucket) problem(did, key string, err error) error {
	if err == nil {
		return nil
	}
	status := statusOf(err)
	cause := causes[status]
	if status >= http.StatusInternalServerError {
		cause = objects.ErrServer
	}
	// The client's own words hold ids of requests, which differ each time, so that a log
	// could not tell that two failures are one.
	var told smithy.APIError
	if cause != nil && errors.As(err, &told) {
		err = fmt.Errorf("%d %s %s", status, told.ErrorCode(), told.ErrorMessage())
	}
	var call *url.Error
	if status == 0 && errors.As(err, &call) {
		err = call.Err // what is around it says again which request it was
	}
	if cause != nil {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("%s s3://%s/%s: %w", did, b.name, key, err)
}

// statusOf is that of the answer; 0 if there was none.
func statusOf(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}
