package volume

import "testing"

func TestMapAccessList(t *testing.T) {
	t.Parallel()
	list := AccessList{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 6, 0, 1, 2, 3, 4}
	want := AccessList{2, 0, 0, 0, 1, 0, 4, 0, 255, 255, 255, 255, 2, 0, 4, 0, 1, 2, 3, 4}
	if got := list.Map(func(bits uint16) uint16 { return bits & 4 }); string(got) != string(want) || list[6] != 7 {
		t.Errorf("% x, want % x", got, want)
	}
	for _, broken := range []AccessList{nil, {}, {2, 0, 0}, {1, 0, 0, 0}, {2, 0, 0, 0, 1}, list[:len(list)-1]} {
		if got := broken.Map(func(bits uint16) uint16 { return bits }); got != nil {
			t.Errorf("% x became % x", broken, got)
		}
	}
}
