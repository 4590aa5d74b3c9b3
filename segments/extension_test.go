package segments

import "testing"

// TestExtensionsHaveNames: and those of other vendors, of the same types, do not.
func TestExtensionsHaveNames(t *testing.T) {
	t.Parallel()
	for kind, own := range map[Type]struct {
		payload []byte
		name    string
	}{
		TypeFreeze:   {EncodeFreeze(1), "freeze mark"},
		TypeBranches: {EncodeBranches(nil), "list of branches"},
		TypeVec:      {make([]byte, 8), ""},
		0xF7:         {make([]byte, 8), ""},
	} {
		if got := kind.Extension(own.payload); got != own.name {
			t.Errorf("%s is called %q", kind, got)
		}
		for _, other := range []string{"", "RV", "of another vendor"} {
			if got := kind.Extension([]byte(other)); got != "" {
				t.Errorf("%q of type %s is called %q", other, kind, got)
			}
		}
	}
}
