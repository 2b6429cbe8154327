package route

import (
	"slices"

	"github.com/moqtgo/moqt/core/moq"
)

// Op is what a session wants to do with a path.
type Op uint8

const (
	OpPublish Op = iota
	OpSubscribe
	OpWatch
)

func (o Op) String() string { return [...]string{"publish", "subscribe", "watch"}[o] }

// A Scope is what one session may see of a Mux.
type Scope struct {
	// Root is put before every path of the session.
	Root moq.Path
	// Allow is asked before every operation, with the path relative to Root;
	// nil allows everything. A refusal should be an *Error.
	Allow func(Op, moq.Path) error
	// Peer identifies the session: its own publications are not offered to
	// it. nil is this process.
	Peer any
}

// A Relation is where a peer stands among relays. It rules what is exchanged with
// relays whose announcements do not name the nodes on the way. What was learned
// from an Upstream goes to strangers only, and what was learned from a Leaf to
// everybody but an Upstream: one step up and one step down at most. Of several
// contents of one path the nearest counts: that of a stranger or of this process,
// then that of a Leaf. So nothing goes around in circles, however relays are
// joined, and nothing that comes back takes the place of what it was made from.
//
// A relay that names nodes is told everything, but for what has passed it, and
// what it tells counts as near. Only where it has something from others and
// cannot name the origin that may have passed a relay of the first kind: it is
// taken as that of an Upstream.
type Relation uint8

const (
	Stranger Relation = iota // no relay
	Leaf                     // a relay that has joined this one
	Upstream                 // a relay that this one has joined
)

// reaches reports whether what was learned from r is offered to q.
func (r Relation) reaches(q Relation) bool {
	return r == Stranger || q == Stranger || r == Leaf && q == Leaf
}

// A View is a Mux as one session sees it.
type View struct {
	mux   *Mux
	root  moq.Path
	allow func(Op, moq.Path) error
	peer  any

	// guarded by mux.mu
	hop      uint64
	relation Relation
	named    bool
}

// View returns the Mux within a scope.
func (m *Mux) View(s Scope) *View {
	v := &View{mux: m, root: s.Root, allow: s.Allow, peer: s.Peer}
	if v.allow == nil {
		v.allow = func(Op, moq.Path) error { return nil }
	}
	return v
}

// Mux returns the Mux that is viewed.
func (v *View) Mux() *Mux { return v.mux }

// With returns a view of the same scope for another peer.
func (v *View) With(peer any) *View {
	return &View{mux: v.mux, root: v.root, allow: v.allow, peer: peer}
}

// Below returns a view whose root is path, relative to v.
func (v *View) Below(path moq.Path) *View {
	w := v.With(v.peer)
	w.root = v.root.Join(path)
	w.allow = func(op moq.Path) func(Op, moq.Path) error {
		return func(o Op, p moq.Path) error { return v.allow(o, op.Join(p)) }
	}(path)
	return w
}

// Root returns the path that is put before the session's paths.
func (v *View) Root() moq.Path { return v.root }

// Relative returns an absolute path as the session writes it.
func (v *View) Relative(p moq.Path) (moq.Path, bool) { return p.Under(v.root) }

// SetHop sets the id of the peer's node: routes through it do not suit it.
// Set it before the first Watch: what a reader has been told is not looked at
// again.
func (v *View) SetHop(hop uint64) {
	v.mux.mu.Lock()
	v.hop = hop
	v.mux.mu.Unlock()
}

// SetRelation sets where the peer stands, and whether announcements name nodes
// there and back. Set it before the first Publish and Watch.
func (v *View) SetRelation(r Relation, named bool) {
	v.mux.mu.Lock()
	v.relation, v.named = r, named
	v.mux.mu.Unlock()
}

// Keep counts what t, which must be new, holds among what is cached for the
// view's root, until it is retired.
func (v *View) Keep(t *moq.Track) { v.mux.cache.Join(t, v.root) }

// maxDepth is how many fields a path may have, the root included.
const maxDepth = 64

// check reports why the session may not do op.
func (v *View) check(op Op, path moq.Path) error {
	if d := v.root.Len() + path.Len(); d > maxDepth {
		return moq.Errorf(moq.CodeTooLarge, "a path of %d fields; the limit is %d", d, maxDepth)
	}
	return v.allow(op, path)
}

// suits reports whether objects may reach the viewer over p.
func (v *View) suits(p *Publication) bool {
	if p.view.peer != nil && p.view.peer == v.peer || !v.named && !p.from.reaches(v.relation) {
		return false
	}
	return v.hop == 0 || !slices.Contains(p.route.Hops, v.hop)
}

// has reports whether objects of c may reach the viewer, now or once a source of
// it comes back.
func (v *View) has(c *content) bool { return len(c.pubs) == 0 || slices.ContainsFunc(c.pubs, v.suits) }

// best returns the best publication of c for the viewer that serves path.
func (v *View) best(c *content, path moq.Path) *Publication {
	for _, p := range c.pubs {
		if v.suits(p) && p.serves(path) {
			return p
		}
	}
	return nil
}
