package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/strataxp/strata"
)

// atOnce is how many visitors are in the shop at a time.
const atOnce = 8

// demonstrate lets visitors who do not exist shop through real HTTP, and prints
// what came of it.
func demonstrate(ctx context.Context, s *shop, visitors int, out io.Writer) error {
	web, err := listen(ctx, "127.0.0.1:0", s.routes())
	if err != nil {
		return errors.Join(err, s.end(out))
	}
	t, err := shopAll(ctx, web.url, visitors)
	if err := errors.Join(err, web.stop()); err != nil {
		return errors.Join(err, s.end(out))
	}
	return errors.Join(s.tell(ctx, t, out), s.end(out))
}

// tell prints what one visitor gets, what came of an experiment, and the totals.
func (s *shop) tell(ctx context.Context, t *totals, out io.Writer) error {
	// Until the buffer is flushed, the last second's events are in memory alone.
	if _, err := s.eng.Flush(ctx); err != nil {
		return err
	}
	unit := strata.Unit{User: "ada", Device: "laptop", Session: "monday", Attributes: map[string]any{"language": "de"}}
	a := s.eng.Assign(unit)
	say(out, "What user %s gets, on device %q in session %q, layer by layer:\n\n", unit.User, unit.Device, unit.Session)
	for d := range a.All() {
		say(out, "   %v\n", d)
	}
	report, err := s.eng.Report(ctx, "cta-color", strata.ReportOptions{})
	if err != nil {
		return err
	}
	say(out, "\n%d visitors made %d requests; they click a green button twice as often as a grey one.\n\n", t.visitors, t.requests.Load())
	say(out, "%v\n", report)
	return nil
}

// totals are what visitors did. It is safe for concurrent use.
type totals struct {
	visitors int
	requests atomic.Int64
}

// shopAll lets all visitors come, some at once. It returns what went wrong first.
func shopAll(ctx context.Context, base string, visitors int) (*totals, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t, numbers := &totals{visitors: visitors}, make(chan int)
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce}
	defer transport.CloseIdleConnections()
	var shopping sync.WaitGroup
	for range atOnce {
		shopping.Go(func() {
			for i := range numbers {
				if err := newShopper(i, base, transport, t).visit(ctx); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < visitors && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	shopping.Wait()
	return t, context.Cause(ctx)
}

// shopper is a browser, and somebody who looks at what it shows.
type shopper struct {
	http   http.Client
	base   string
	name   string
	random *rand.Rand
	totals *totals
}

func newShopper(i int, base string, transport http.RoundTripper, t *totals) *shopper {
	//lint:ignore errcheck it fails for no options
	jar, _ := cookiejar.New(nil)
	return &shopper{
		http: http.Client{Transport: transport, Jar: jar}, base: base,
		name: fmt.Sprintf("visitor-%d@example.org", i), random: rand.New(rand.NewPCG(1, uint64(i))), totals: t,
	}
}

// visit goes through the shop, as far as the visitor likes what there is to see.
func (p *shopper) visit(ctx context.Context) error {
	if _, err := p.get(ctx, "/"); err != nil {
		return err
	}
	if _, err := p.get(ctx, "/c/garden"); err != nil {
		return err
	}
	sku := fmt.Sprintf("sku-%02d", p.random.IntN(48))
	page, err := p.get(ctx, "/p/"+sku)
	if err != nil {
		return err
	}
	likes := 0.2
	if strings.Contains(page, `class="cta green"`) {
		likes = 0.4
	}
	if p.random.Float64() > likes {
		return nil
	}
	if _, err := p.post(ctx, "/cart", url.Values{"sku": {sku}}); err != nil {
		return err
	}
	if _, err := p.get(ctx, "/checkout"); err != nil || p.random.IntN(3) == 0 {
		return err
	}
	page, err = p.post(ctx, "/checkout", url.Values{"email": {p.name}})
	if err == nil && !strings.Contains(page, "is on its way") {
		err = fmt.Errorf("%s has ordered, and sees %q", p.name, page)
	}
	return err
}

func (p *shopper) get(ctx context.Context, path string) (string, error) {
	return p.send(ctx, http.MethodGet, path, nil)
}

func (p *shopper) post(ctx context.Context, path string, form url.Values) (string, error) {
	return p.send(ctx, http.MethodPost, path, form)
}

func (p *shopper) send(ctx context.Context, method, path string, form url.Values) (page string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	p.totals.requests.Add(1)
	response, err := p.http.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, response.Status)
	}
	return string(body), err
}
