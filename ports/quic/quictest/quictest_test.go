package quictest

import (
	"slices"
	"testing"
	"testing/synctest"
)

// TestChecks shows that the suite turns red for every fault, in both roles.
func TestChecks(t *testing.T) {
	for _, f := range faults {
		for _, name := range f.red {
			i := slices.IndexFunc(checks, func(ck check) bool { return ck.name == name })
			if i < 0 {
				t.Fatalf("no check %q", name)
			}
			for _, swap := range []bool{false, true} {
				t.Run(f.name+"/"+name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						c := Config{Bubble: true, MakePipe: f.pipe}
						err := c.try(t, checks[i], swap)
						if err == nil {
							t.Fatal("the suite did not notice")
						}
						t.Log(err)
					})
				})
			}
		}
	}
}

// TestEveryCheckIsProven: there is a fault for each check.
func TestEveryCheckIsProven(t *testing.T) {
	for _, ck := range checks {
		if !slices.ContainsFunc(faults, func(f fault) bool { return slices.Contains(f.red, ck.name) }) {
			t.Errorf("no fault shows that %q can fail", ck.name)
		}
	}
}

// TestSkips: a capability excuses subtests that exist.
func TestSkips(t *testing.T) {
	for capability, names := range Subtests {
		for _, name := range names {
			if !slices.ContainsFunc(checks, func(ck check) bool { return ck.name == name }) {
				t.Errorf("%s excuses %q, which does not exist", capability, name)
			}
		}
	}
}
