package route

import (
	"sort"

	"github.com/moqtgo/moqt/core/moq"
)

// A node is one place in the tree of paths.
type node struct {
	children map[string]*node
	contents []*content // oldest first
	history  history
	watches  []*watch
	ending   *ending // what has ended here lately
}

// active returns what the path means now.
func (n *node) active() *content { return n.means(func(*content) bool { return true }) }

// means returns what the path means to somebody who may have only some of its
// contents; nil: nothing.
func (n *node) means(has func(*content) bool) (first *content) {
	for _, c := range n.contents {
		if !c.waiting && !n.hushed(c) && (first == nil || n.outranks(c, first)) && has(c) {
			first = c
		}
	}
	return first
}

func (n *node) empty() bool {
	return len(n.children) == 0 && len(n.contents) == 0 && len(n.watches) == 0 && n.ending == nil
}

// at returns the node of the path, made if needed.
func (n *node) at(p moq.Path) *node {
	for _, f := range p.Fields() {
		child := n.children[f]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[f] = child
		}
		n = child
	}
	return n
}

// along calls visit for every existing node from the root to the path, with
// the number of fields that lead to it.
func (n *node) along(p moq.Path, visit func(n *node, depth int)) {
	visit(n, 0)
	for i, f := range p.Fields() {
		if n = n.children[f]; n == nil {
			return
		}
		visit(n, i+1)
	}
}

// find returns the node of the path, or nil.
func (n *node) find(p moq.Path) *node {
	for _, f := range p.Fields() {
		if n = n.children[f]; n == nil {
			return nil
		}
	}
	return n
}

// prune removes the nodes to the path that hold nothing.
func (n *node) prune(p moq.Path) {
	fields := p.Fields()
	nodes := []*node{n}
	for _, f := range fields {
		child := nodes[len(nodes)-1].children[f]
		if child == nil {
			break
		}
		nodes = append(nodes, child)
	}
	for i := len(nodes) - 1; i > 0 && nodes[i].empty(); i-- {
		delete(nodes[i-1].children, fields[i-1])
	}
}

// walk visits the node at path and all below it in the order of their names.
func (n *node) walk(path moq.Path, visit func(moq.Path, *node)) {
	visit(path, n)
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		n.children[name].walk(path.Join(moq.PathOf(name)), visit)
	}
}
