package lwj

import (
	"strings"
	"testing"
)

func TestFoldFindsWhatIsBroken(t *testing.T) {
	t.Parallel()
	log := func(change func(evs []*Event)) []*Event {
		evs := []*Event{
			{Kind: KindState, To: Reserved, Revision: 3, Epoch: 1, Attempt: 1},
			{Kind: KindEvent, Name: "note", Revision: 4},
			{Kind: KindState, From: Reserved, To: Starting, Revision: 5, Previous: 3, Epoch: 1, Attempt: 1},
			{Kind: KindState, From: Starting, To: Running, Revision: 9, Previous: 5, Epoch: 1, Attempt: 1},
		}
		if change != nil {
			change(evs)
		}
		return evs
	}
	state, err := Fold(DefaultMachine(), log(nil))
	must(t, err)
	wantEqual(t, "state", Running, state)
	for says, change := range map[string]func([]*Event){
		"begins in":         func(evs []*Event) { evs[2].To, evs[3].From = Submitted, Reserved; evs[3].To = Starting },
		"it cannot become":  func(evs []*Event) { evs[3].To = Complete },
		"follows revision":  func(evs []*Event) { evs[3].Previous = 4 },
		"previous revision": func(evs []*Event) { evs[0].Previous = 1 },
		"epoch 0":           func(evs []*Event) { evs[3].Epoch = 0 },
		"attempt 0":         func(evs []*Event) { evs[3].Attempt = 0 },
	} {
		if _, err := Fold(DefaultMachine(), log(change)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want an error saying %q, got %v", says, err)
		}
	}
}
