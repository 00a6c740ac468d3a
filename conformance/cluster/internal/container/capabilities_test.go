package container

import (
	"slices"
	"testing"
)

func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		name      string
		add, drop []string
		want      []string
	}{
		{"nothing asked", nil, nil, DefaultCapabilities},
		{"all dropped", nil, []string{"ALL"}, []string{}},
		{"one is added to none", []string{"NET_BIND_SERVICE"}, []string{"ALL"}, []string{"NET_BIND_SERVICE"}},
		{"one that is there already", []string{"KILL"}, nil, DefaultCapabilities},
	} {
		got, err := Capabilities(c.add, c.drop)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if _, err := Capabilities([]string{"SYS_EVERYTHING"}, nil); err == nil {
		t.Error("an unknown capability is granted")
	}
}
