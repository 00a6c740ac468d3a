package node

import "testing"

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		name    string
		count   thresholds
		results []bool
		want    []bool
	}{
		{"each success", thresholds{success: 1, failure: 3}, []bool{true, true}, []bool{true, true}},
		{"the third failure in a row", thresholds{success: 1, failure: 3}, []bool{false, false, false, false}, []bool{false, false, true, true}},
		{"a success in between", thresholds{success: 1, failure: 2}, []bool{false, true, false, false}, []bool{false, true, false, true}},
		{"two successes", thresholds{success: 2, failure: 1}, []bool{true, true, false, true}, []bool{false, true, true, false}},
	} {
		for i, result := range c.results {
			if got := c.count.add(result); got != c.want[i] {
				t.Errorf("%s: result %d counts: %v", c.name, i, got)
			}
		}
	}
}
