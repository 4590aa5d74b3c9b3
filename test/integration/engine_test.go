package integration

import (
	"testing"
)

// What the tests do through the Go interface of the store package, beside a
// mount or without one.
