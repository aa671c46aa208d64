package bus

import "testing"

func TestLiveDropsOverItsBounds(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]*live{"events": newLive(2, 100), "bytes": newLive(100, 20)} {
		one := received{&Feed{Changes: at(1)}, 10}
		l.push(one)
		l.push(one)
		if l.isLost() {
			t.Errorf("%s: want both kept", name)
		}
		l.push(one)
		if _, ok := l.take(); ok || !l.isLost() {
			t.Errorf("%s: want everything dropped, got lost=%v", name, l.isLost())
		}
		l.push(one)
		l.putBack(one)
		if _, ok := l.take(); ok {
			t.Errorf("%s: want nothing taken in before resume", name)
		}
		l.resume()
		l.push(one)
		if _, ok := l.take(); !ok || l.isLost() || l.events != 0 || l.bytes != 0 {
			t.Errorf("%s: want one taken in after resume, got %d events, %d bytes", name, l.events, l.bytes)
		}
	}
}

func TestLivePutBackComesFirst(t *testing.T) {
	t.Parallel()
	l := newLive(10, 100)
	for _, r := range []uint64{1, 2} {
		l.push(received{&Feed{Changes: at(r)}, 1})
	}
	r, _ := l.take()
	l.putBack(r)
	for _, want := range []uint64{1, 2} {
		if r, ok := l.take(); !ok || r.feed.Changes[0].Revision != want {
			t.Errorf("want %d, got %v", want, r)
		}
	}
}
