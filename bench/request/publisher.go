package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/pgstore"
)

// moreExperiments is how many experiments the plan has beside those of the shop.
const (
	moreExperiments = perLayer * moreLayers
	perLayer        = 100
	moreLayers      = 100
)

// publisher publishes plans from a process of its own, and of the lowest priority: who
// publishes sits at another machine, and what it costs there is not the shop's.
type publisher struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// startPublisher has a large plan published, and returns when it is.
func startPublisher(ctx context.Context, dsn string) (*publisher, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	argv := []string{self, "-publish", dsn}
	if nice, err := exec.LookPath("nice"); err == nil {
		argv = append([]string{nice, "-n", "19"}, argv...)
	}
	p := &publisher{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(errors.New("the plan could not be published"), p.end())
	}
	return p, nil
}

// begin has the plan published anew each second, or as soon as the last time is over:
// a plan of this size takes some seconds.
func (p *publisher) begin() error {
	_, err := io.WriteString(p.stdin, "go\n")
	return err
}

func (p *publisher) end() error {
	return errors.Join(p.stdin.Close(), p.cmd.Wait())
}

// publish is what the process does.
func publish(ctx context.Context, dsn string, in io.Reader, out io.Writer) error {
	store, err := pgstore.Open(ctx, dsn, pgstore.Config{NoRollup: true})
	if err != nil {
		return err
	}
	defer store.Close()
	plan, err := largePlan(ctx, store)
	if err != nil {
		return err
	}
	options := strata.PublishOptions{Author: "bench", Message: "many experiments"}
	if plan, err = strata.Publish(ctx, store, plan, options); err != nil {
		return err
	}
	if _, err := io.WriteString(out, "published\n"); err != nil {
		return err
	}
	lines := bufio.NewReader(in)
	if _, err := lines.ReadString('\n'); err != nil {
		//lint:ignore nilerr the pipe has ended: nobody wants more
		return nil
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		//lint:ignore errcheck it ends when the pipe does
		_, _ = lines.ReadString('\n')
	}()
	for {
		began := time.Now()
		last := &plan.Experiments[len(plan.Experiments)-1]
		last.Description = fmt.Sprintf("based on version %d", plan.Version)
		if plan, err = strata.Publish(ctx, store, plan, options); err != nil {
			return err
		}
		select {
		case <-over:
			return nil
		case <-time.After(time.Second - time.Since(began)):
		}
	}
}

// largePlan adds experiments to the plan in the store, in layers that the shop does not
// read. It gives them their buckets itself: a Builder looks for free ones for each, two
// milliseconds long in a plan of this size.
func largePlan(ctx context.Context, store strata.Store) (*strata.Plan, error) {
	plan := &strata.Plan{}
	stored, err := store.Plan(ctx, strata.PlanParams{})
	switch {
	case err == nil:
		plan = stored.Plan
	case !errors.Is(err, strata.ErrNotFound):
		return nil, err
	}
	for i := range moreLayers {
		param, layer := fmt.Sprintf("more.%d", i), fmt.Sprintf("more-%d", i)
		plan.Parameters = append(plan.Parameters, strata.Parameter{Key: param, Type: strata.TypeInt, Default: 0})
		plan.Layers = append(plan.Layers, strata.Layer{Key: layer, Diversion: strata.ByDevice, Parameters: []string{param}})
		for j := range perLayer {
			const share = strata.NumBuckets / perLayer
			plan.Experiments = append(plan.Experiments, strata.Experiment{
				Key: fmt.Sprintf("more-%d-%d", i, j), Layer: layer, Status: strata.StatusRunning, Buckets: strata.BucketRange(j*share, (j+1)*share),
				Treatments: []strata.Treatment{{Key: "off", Weight: 1}, {Key: "on", Weight: 1, Values: strata.Values{param: j}}},
			})
		}
	}
	return plan, plan.Validate()
}
