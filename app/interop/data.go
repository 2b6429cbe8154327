package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/moqtgo/moqt/app/moqt"
)

// A group is what a group brings, by object id.
type group []string

// sample returns groups of which no two objects are alike.
func sample(groups, objects int) []group {
	all := make([]group, groups)
	for g := range all {
		for o := range objects {
			all[g] = append(all[g], fmt.Sprintf("group %d object %d of moqt", g, o))
		}
	}
	return all
}

// write publishes a group, once somebody wants it.
func (a *attempt) write(w *moqt.TrackWriter, sequence uint64, objects group) error {
	if err := w.WaitSubscribers(a.ctx); err != nil {
		return a.missed(a.ctx, "SUBSCRIBE from the relay", err)
	}
	g, err := w.OpenGroup(sequence)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := g.WriteFrame(moqt.Frame{Payload: []byte(o)}); err != nil {
			return err
		}
	}
	return g.Close()
}

// want reads groups until those wanted have come, in any order: each has a
// stream of its own. What comes beside them is not looked at.
func (a *attempt) want(r *moqt.TrackReader, wanted map[uint64]group) error {
	missing := len(wanted)
	for missing > 0 {
		in, err := r.NextGroup(a.ctx)
		if err != nil {
			return a.missed(a.ctx, fmt.Sprintf("%d more groups", missing), err)
		}
		want, ok := wanted[in.Sequence()]
		if !ok {
			continue
		}
		var got group
		for f, err := range in.Frames(a.ctx) {
			if err != nil {
				return a.missed(a.ctx, fmt.Sprintf("object %d of group %d", len(got), in.Sequence()), err)
			}
			got = append(got, string(f.Payload))
		}
		if !slices.Equal(got, want) {
			return &failure{
				expected: fmt.Sprintf("%q in group %d", want, in.Sequence()), received: fmt.Sprintf("%q", got),
				err: errors.New("the objects differ from those that were published"),
			}
		}
		missing--
	}
	return nil
}

// deliver publishes groups to a subscriber and wants them there.
func (a *attempt) deliver(groups []group) error {
	w, r, err := a.routed()
	if err != nil {
		return err
	}
	defer r.Close()
	wanted := map[uint64]group{}
	for i, g := range groups {
		if err := a.write(w, uint64(i), g); err != nil {
			return err
		}
		wanted[uint64(i)] = g
	}
	return a.want(r, wanted)
}

func singleObject(a *attempt) error { return a.deliver(sample(1, 1)) }

func singleGroup(a *attempt) error { return a.deliver(sample(1, 10)) }

func multipleGroups(a *attempt) error { return a.deliver(sample(3, 5)) }

// lateSubscriber: who joins when there are groups already gets those to come.
func lateSubscriber(a *attempt) error {
	w, first, err := a.routed()
	if err != nil {
		return err
	}
	defer first.Close()
	groups := sample(2, 5)
	if err := a.write(w, 0, groups[0]); err != nil {
		return err
	}
	if err := a.want(first, map[uint64]group{0: groups[0]}); err != nil {
		return err
	}
	p, err := a.dial("late subscriber")
	if err != nil {
		return err
	}
	late, err := a.subscribe(p, namespace, trackName)
	if err != nil {
		return err
	}
	defer late.Close()
	if err := a.write(w, 1, groups[1]); err != nil {
		return err
	}
	for _, r := range []*moqt.TrackReader{first, late} {
		if err := a.want(r, map[uint64]group{1: groups[1]}); err != nil {
			return err
		}
	}
	return nil
}

// trackStatus: the relay knows what the publisher says of the track.
func trackStatus(a *attempt) error {
	_, r, err := a.routed()
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := a.dial("client")
	if err != nil {
		return err
	}
	if _, err = p.TrackInfo(a.ctx, namespace, trackName); err != nil {
		return optional(a.missed(a.ctx, "TRACK_STATUS_OK", err))
	}
	return nil
}

// subscribeNamespace: the relay tells of a namespace, and of its end.
func subscribeNamespace(a *attempt) error {
	sub, err := a.dial("subscriber")
	if err != nil {
		return err
	}
	watch, err := sub.Announced(a.ctx, "moq-test")
	if err != nil {
		return optional(a.missed(a.ctx, "SUBSCRIBE_NAMESPACE_OK", err))
	}
	defer watch.Close()
	pub, err := a.dial("publisher")
	if err != nil {
		return err
	}
	ctx, withdraw := context.WithCancel(a.ctx)
	defer withdraw()
	if err := a.announce(ctx, pub, namespace, moqt.NewBroadcast()); err != nil {
		return err
	}
	if err := a.told(watch, "NAMESPACE", moqt.Active); err != nil {
		return optional(err)
	}
	withdraw()
	return a.told(watch, "NAMESPACE_DONE", moqt.Ended)
}

// told waits for a change of the namespace.
func (a *attempt) told(watch *moqt.AnnounceReader, message string, change moqt.Change) error {
	for {
		said, err := watch.Next(a.ctx)
		if err != nil {
			return a.missed(a.ctx, message, err)
		}
		if said.Path == namespace && said.Change == change {
			return nil
		}
	}
}

// fetchGroup: a group of the past is fetched, object for object.
func fetchGroup(a *attempt) error {
	w, r, err := a.routed()
	if err != nil {
		return err
	}
	defer r.Close()
	groups := sample(2, 5)
	for i, g := range groups {
		if err := a.write(w, uint64(i), g); err != nil {
			return err
		}
	}
	if err := a.want(r, map[uint64]group{0: groups[0], 1: groups[1]}); err != nil {
		return err
	}
	p, err := a.dial("fetcher")
	if err != nil {
		return err
	}
	in, err := p.Fetch(a.ctx, moqt.GroupFetch(namespace, trackName, 0, 128))
	if err != nil {
		return optional(a.missed(a.ctx, "FETCH_OK", err))
	}
	defer in.Close()
	var got group
	for {
		f, err := in.Next(a.ctx)
		switch {
		case err == io.EOF && slices.Equal(got, groups[0]):
			return nil
		case err == io.EOF, err == nil && f.Object != nil && (f.Group != 0 || f.Object.ID != uint64(len(got))):
			return &failure{
				expected: fmt.Sprintf("the objects %q of group 0", groups[0]), received: fmt.Sprintf("%q, then %+v", got, f),
				err: errors.New("what was fetched differs from what was published"),
			}
		case err != nil:
			return a.missed(a.ctx, fmt.Sprintf("object %d of group 0", len(got)), err)
		case f.Object != nil:
			got = append(got, string(f.Object.Payload()))
		}
	}
}
