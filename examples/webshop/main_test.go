package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/strataxp/strata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheDemonstration(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), options{strata: true, visitors: 60}, &out))
	for _, text := range []string{"button: cta-color=", "60 visitors made", "Experiment cta-color", "1 page_view /product", " 0 refused, 0 lost; nothing left"} {
		require.Contains(t, out.String(), text)
	}
	require.ErrorContains(t, run(t.Context(), options{}, io.Discard), "-strata=false needs -addr")
}

// opened is a shop in memory, without a network.
func opened(t *testing.T, with bool) *shop {
	s, err := openShop(t.Context(), options{strata: with}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := s.close(context.Background())
		require.NoError(t, err)
	})
	return s
}

// ask makes a request with some cookies, "name=value".
func ask(t *testing.T, s *shop, method, path string, form url.Values, cookies ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", strings.Join(cookies, "; "))
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, r)
	return w
}

func cookiesOf(w *httptest.ResponseRecorder) map[string]string {
	list := make(map[string]string)
	for _, line := range w.Header().Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		list[name], _, _ = strings.Cut(rest, ";")
	}
	return list
}

const (
	someDevice  = "device=AAAAAAAAAAAAAAAAAAAAAAAAAA"
	someSession = "session=BBBBBBBBBBBBBBBBBBBBBBBBBB"
)

func TestVisitorsAreKnownAgain(t *testing.T) {
	s := opened(t, true)
	got := cookiesOf(ask(t, s, "GET", "/", nil))
	require.NotEmpty(t, got["device"])
	require.NotEmpty(t, got["session"])
	require.Empty(t, cookiesOf(ask(t, s, "GET", "/", nil, someDevice, someSession)), "known already")
	again := cookiesOf(ask(t, s, "GET", "/", nil, "device=short", `session="no id of ours; at all"`))
	require.Len(t, again, 2, "what we would never have given is replaced")
}

func TestEveryPageWithAndWithoutExperiments(t *testing.T) {
	for _, with := range []bool{true, false} {
		s := opened(t, with)
		for path, status := range map[string]int{
			"/": 200, "/c/garden": 200, "/c/nothing": 404, "/search?q=lamp": 200, "/search": 200, "/p/sku-07": 200, "/p/none": 404,
			"/cart": 200, "/checkout": 200, "/order/x": 200, "/elsewhere": 404,
		} {
			require.Equal(t, status, ask(t, s, "GET", path, nil, someDevice, someSession, "cart=sku-07.2_bogus.1_sku-11.x_sku-12.1").Code, path)
		}
		require.Equal(t, 303, ask(t, s, "GET", "/checkout", nil).Code, "an empty cart is not paid for")
		require.Equal(t, 204, ask(t, s, "POST", "/click", url.Values{"target": {"photo"}}).Code)
		require.Equal(t, 400, ask(t, s, "POST", "/click", url.Values{"target": {"anything"}}).Code)
		require.Equal(t, 404, ask(t, s, "POST", "/cart", url.Values{"sku": {"none"}}).Code)
		require.Equal(t, 422, ask(t, s, "POST", "/checkout", url.Values{"email": {"nobody"}}, "cart=sku-07.1").Code)
		require.Equal(t, with, s.health().Accepted > 0, "a shop without experiments tracks nothing")
	}
}

// A purchase carries the id that the visitor got in the same request, so that layers
// that divert by user see it.
func TestAnOrder(t *testing.T) {
	s := opened(t, true)
	added := ask(t, s, "POST", "/cart", url.Values{"sku": {"sku-07"}}, someDevice, someSession, "cart=sku-07.1")
	require.Equal(t, "sku-07.2", cookiesOf(added)["cart"])
	bought := ask(t, s, "POST", "/checkout", url.Values{"email": {"Ada@example.org"}}, someDevice, someSession, "cart=sku-07.2")
	require.Equal(t, 303, bought.Code)
	user := cookiesOf(bought)["user"]
	require.NotContains(t, user, "@")
	require.Empty(t, cookiesOf(bought)["cart"])
	ask(t, s, "GET", bought.Header().Get("Location"), nil, someDevice, someSession, "user="+user)
	report, err := s.eng.Report(t.Context(), "thanks", strata.ReportOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Units, "a user has seen it")
	require.EqualValues(t, 1, s.health().Orders)
}

// What a plan says by mistake takes no page down.
func TestTheCatalogue(t *testing.T) {
	c := newCatalogue()
	require.Empty(t, c.list("", "name", -3))
	require.Len(t, c.list("", "upside-down", 1_000_000), len(c.bySKU))
	require.Equal(t, c.list("garden", "name", 5), c.list("garden", "upside-down", 5))
	require.Len(t, c.search(" LAMP ", "price", 100), 3)
	require.NotContains(t, c.related(c.bySKU["sku-03"], 100), c.bySKU["sku-03"])
}

func TestCarts(t *testing.T) {
	c := newCatalogue()
	one := cart{{c.bySKU["sku-00"], 2}}
	require.EqualValues(t, shippingFee, one.shipping(1_000_00))
	require.Zero(t, one.shipping(0))
	require.Zero(t, cart(nil).shipping(1_000_00))
	p := one.purchase("o-1", 1_000_00)
	require.Equal(t, one.Goods()+shippingFee, p.Total)
	require.Equal(t, []strata.Item{{SKU: "sku-00", Quantity: 2, Price: one[0].Price}}, p.Items)
}

// A server ends by its context, and says what became of its events.
func TestServing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(run(ctx, options{addr: "127.0.0.1:0", debug: "127.0.0.1:0", strata: true}, write), write.Close())
	}()
	lines := make([]byte, 4096)
	n, err := read.Read(lines)
	require.NoError(t, err)
	debug, _, _ := strings.Cut(strings.TrimPrefix(string(lines[:n]), "debugging on "), "\n")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, debug+"/debug/strata", http.NoBody)
	require.NoError(t, err)
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(body), `"plan":1,"accepted":0`)
	go cancel()
	rest, err := io.ReadAll(read)
	require.NoError(t, err)
	require.Contains(t, string(rest), "closed: 0 orders, 0 events accepted")
	require.NoError(t, <-done)
}
