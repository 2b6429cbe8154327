package quicgo

import (
	"context"
	"sync/atomic"
)

// A Context follows a context of quic-go and translates its cause. It is built
// on first use: most streams live and die without anybody asking. The zero
// value is ready.
type Context struct {
	ctx atomic.Pointer[context.Context]
}

// Of returns the context that follows parent, with causes translated by
// translate.
func (c *Context) Of(parent context.Context, translate func(error) error) context.Context {
	if ctx := c.ctx.Load(); ctx != nil {
		return *ctx
	}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	if !c.ctx.CompareAndSwap(nil, &ctx) {
		cancel(nil)
		return *c.ctx.Load()
	}
	end := func() { cancel(translate(context.Cause(parent))) }
	if parent.Err() != nil {
		end()
	} else {
		context.AfterFunc(parent, end)
	}
	return ctx
}
