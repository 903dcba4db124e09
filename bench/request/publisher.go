package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
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

// begin has the plan published anew each second.
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
			if took := time.Since(began); took > 1500*time.Millisecond {
				log.Printf("publishing took %v; it is meant to happen each second", took)
			}
		}
	}
}

// largePlan adds experiments to the plan in the store, in layers that the shop does not
// read.
func largePlan(ctx context.Context, store strata.Store) (*strata.Plan, error) {
	b := strata.NewPlan()
	stored, err := store.Plan(ctx, strata.PlanParams{})
	switch {
	case err == nil:
		b = strata.ChangePlan(stored.Plan)
	case !errors.Is(err, strata.ErrNotFound):
		return nil, err
	}
	for i := range moreLayers {
		param := fmt.Sprintf("more.%d", i)
		b.Int(param, 0)
		layer := b.Layer(fmt.Sprintf("more-%d", i), strata.ByDevice, param)
		for j := range perLayer {
			layer.Experiment(fmt.Sprintf("more-%d-%d", i, j), 1.0/perLayer).
				Treatment("off", 1, nil).
				Treatment("on", 1, strata.Values{param: j}).
				Running()
		}
	}
	return b.Build()
}
