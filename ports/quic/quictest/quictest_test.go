package quictest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/moqtgo/moqt/adapters/memnet"
	"github.com/moqtgo/moqt/ports/quic"
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

// A brokenListener calls its functions where they are set.
type brokenListener struct {
	quic.Listener
	accept func(context.Context) (quic.Connection, error)
	close  func() error
}

func (l *brokenListener) Accept(ctx context.Context) (quic.Connection, error) {
	if l.accept != nil {
		return l.accept(ctx)
	}
	return l.Listener.Accept(ctx)
}

func (l *brokenListener) Close() error {
	if l.close != nil {
		return l.close()
	}
	return l.Listener.Close()
}

// TestListenerChecks shows that the listener's suite turns red for every fault.
func TestListenerChecks(t *testing.T) {
	proven := make(map[string]bool)
	for name, test := range map[string]struct {
		red  string
		wrap func(l quic.Listener) quic.Listener
	}{
		"accept ignores its context": {"accept honours its context", func(l quic.Listener) quic.Listener {
			return &brokenListener{Listener: l, accept: func(context.Context) (quic.Connection, error) { return l.Accept(context.Background()) }}
		}},
		"accept fails": {"accept brings what was dialled", func(l quic.Listener) quic.Listener {
			return &brokenListener{Listener: l, accept: func(context.Context) (quic.Connection, error) { return nil, errForeign }}
		}},
		"close has another error": {"close ends accept", func(l quic.Listener) quic.Listener {
			return &brokenListener{Listener: l, accept: func(ctx context.Context) (quic.Connection, error) {
				c, err := l.Accept(ctx)
				if errors.Is(err, quic.ErrListenerClosed) {
					err = errForeign
				}
				return c, err
			}}
		}},
		"close does nothing": {"close ends accept", func(l quic.Listener) quic.Listener {
			return &brokenListener{Listener: l, close: func() error { return nil }}
		}},
		"close ends the connections": {"accepted connections live on", func(l quic.Listener) quic.Listener {
			var accepted []quic.Connection
			return &brokenListener{Listener: l,
				accept: func(ctx context.Context) (quic.Connection, error) {
					c, err := l.Accept(ctx)
					if err == nil {
						accepted = append(accepted, c)
					}
					return c, err
				},
				close: func() error {
					for _, c := range accepted {
						_ = c.CloseWithError(0, "")
					}
					return l.Close()
				}}
		}},
		"no address is verified": {"addresses are verified where that is wanted", nil},
	} {
		i := slices.IndexFunc(listenerChecks, func(ck listenerCheck) bool { return ck.name == test.red })
		if i < 0 {
			t.Fatalf("no check %q", test.red)
		}
		proven[test.red] = true
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := ListenerConfig{Bubble: true, MakeListener: func(t testing.TB, conf *quic.Config) (quic.Listener, func(context.Context) (quic.Connection, error), func()) {
					net := memnet.New(memnet.Config{Settle: synctest.Wait})
					if test.wrap == nil {
						conf = nil
						test.wrap = func(l quic.Listener) quic.Listener { return l }
					}
					l, err := net.Node("server").Listen(":1", nil, conf)
					if err != nil {
						t.Fatal(err)
					}
					return test.wrap(l), func(ctx context.Context) (quic.Connection, error) {
						return net.Node("client").Dial(ctx, "server:1", nil, conf)
					}, net.Close
				}}
				err := c.try(t, listenerChecks[i])
				if err == nil {
					t.Fatal("the suite did not notice")
				}
				t.Log(err)
			})
		})
	}
	for _, ck := range listenerChecks {
		if !proven[ck.name] {
			t.Errorf("no fault shows that %q can fail", ck.name)
		}
	}
}
