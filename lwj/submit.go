package lwj

import "context"

// SubmitOption changes one submit.
type SubmitOption func(*SubmitRequest)

// Start makes the jobs begin as reserved, owned by the owner registered under
// token, at epoch 1.
func Start(owner string, token uint64) SubmitOption {
	return func(r *SubmitRequest) { r.Start, r.Owner, r.Token = true, owner, token }
}

// External makes the jobs begin in state first, without an owner, at epoch 1:
// for launchers of another kind, which advance them by that epoch. Their specs
// may lack a command.
func External(first State) SubmitOption {
	return func(r *SubmitRequest) { r.External = first }
}

// Submit makes a job and returns its id. Whoever knows the id may wait for the
// job at once (TestSubmitThenWait).
//
// Errors: CodeUsage and ErrTooLarge for what Spec.Validate refuses, ErrNoOwner
// with Start, ErrTransition for a state that no job begins in; those of
// bus.Conn.Call. After an error no job was made, but for ErrUnknownOutcome.
func (c *Client) Submit(ctx context.Context, spec Spec, opts ...SubmitOption) (uint64, error) {
	answer, err := c.SubmitAll(ctx, []Spec{spec}, opts...)
	if err != nil {
		return 0, err
	}
	return answer.IDs[0], nil
}

// SubmitAll makes jobs, at most MaxSubmit: all or none, in one transaction,
// with consecutive ids but for those known by their dedup key. Its errors are
// those of Submit.
func (c *Client) SubmitAll(ctx context.Context, specs []Spec, opts ...SubmitOption) (*SubmitAnswer, error) {
	req := &SubmitRequest{Specs: append([]Spec(nil), specs...)}
	for _, o := range opts {
		o(req)
	}
	if err := checkSubmit(req); err != nil { // as the host does, without the way there
		return nil, err
	}
	answer := new(SubmitAnswer)
	if err := c.conn.Call(ctx, VerbSubmit, req, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
