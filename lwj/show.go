package lwj

import (
	"context"
	"slices"

	"github.com/lwjbus/lwjbus/bus"
)

// Show returns a job as it is.
//
// Errors: ErrNoJob; those of bus.Conn.Call.
func (c *Client) Show(ctx context.Context, id uint64) (*Info, error) {
	return c.ShowAt(ctx, id, 0)
}

// ShowAt returns a job as it was at a revision; 0 is now.
//
// Errors: ErrNoJob for one that was not there at that revision;
// bus.ErrCompacted; those of bus.Conn.Call.
func (c *Client) ShowAt(ctx context.Context, id, revision uint64) (*Info, error) {
	jobs, err := c.pages(ctx, &JobsAnswer{Revision: revision, Rest: []uint64{id}}, c.showMore)
	if err != nil {
		return nil, err
	}
	if len(jobs) != 1 {
		return nil, noJob(id)
	}
	return &jobs[0], nil
}

func (c *Client) showMore(ctx context.Context, before *JobsAnswer) (*JobsAnswer, error) {
	answer := new(JobsAnswer)
	return answer, c.conn.Call(ctx, VerbShow, ShowRequest{IDs: before.Rest, At: before.Revision}, answer, bus.Read())
}

// ListOptions says which jobs are listed. The zero value lists all.
type ListOptions struct {
	Active bool              // only jobs that are not in a final state
	States []State           // Default: all.
	Labels map[string]string // a job has each of them
	Group  *string           // Default: any.
	Dead   bool              // only failed jobs that have no retry left
	Newest bool              // highest id first
	Limit  int               // rows. Default: all.
}

// List returns the jobs that match, by id, as they were at the revision it
// returns. With Active it costs what the active jobs cost, however many have
// ended.
//
// Errors: CodeUsage; bus.ErrCompacted if the jobs changed faster than they
// could be read; those of bus.Conn.Call.
func (c *Client) List(ctx context.Context, o ListOptions) ([]Info, uint64, error) {
	req := ListRequest{Active: o.Active, States: o.States, Labels: o.Labels, Group: o.Group, Dead: o.Dead, Newest: o.Newest, Limit: o.Limit}
	first := new(JobsAnswer)
	if err := c.conn.Call(ctx, VerbList, req, first, bus.Read()); err != nil {
		return nil, 0, err
	}
	left := o.Limit
	jobs, err := c.pages(ctx, first, func(ctx context.Context, before *JobsAnswer) (*JobsAnswer, error) {
		if left -= len(before.Jobs); o.Limit > 0 && left <= 0 {
			return new(JobsAnswer), nil
		}
		req.From, req.IDs, req.At, req.Limit = before.Next, before.Rest, before.Revision, max(left, 0)
		answer := new(JobsAnswer)
		return answer, c.conn.Call(ctx, VerbList, req, answer, bus.Read())
	})
	return jobs, first.Revision, err
}

// pages collects the jobs of an answer and of all that continue it.
func (c *Client) pages(ctx context.Context, a *JobsAnswer, more func(context.Context, *JobsAnswer) (*JobsAnswer, error)) ([]Info, error) {
	jobs := a.Jobs
	for a.Next != 0 || len(a.Rest) > 0 {
		rest := a.Rest
		part := *a
		part.Rest = rest[:min(len(rest), MaxItems)]
		next, err := more(ctx, &part)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, next.Jobs...)
		if len(rest) > 0 {
			next.Rest = slices.Concat(next.Rest, rest[len(part.Rest):])
		}
		if next.Revision == 0 {
			break
		}
		a = next
	}
	return jobs, nil
}
