package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

// visitor goes through the shop, request by request, and hands its cookies back. What
// it does depends on its number alone and not on what it sees, so that a shop with
// experiments and one without have the same work. One goroutine at a time may use it.
type visitor struct {
	number  int
	random  *rand.Rand
	cookies map[string]string
	next    step
	sku     string
	path    string // of the order
	visits  int
}

// step is what a visitor is about to do.
type step int

const (
	atHome step = iota
	inList
	inSearch
	atProduct
	clicking
	adding
	inCart
	atCheckout
	buying
	atOrder
)

func newVisitor(number int, seed uint64) *visitor {
	return &visitor{number: number, random: rand.New(rand.NewPCG(seed, uint64(number))), cookies: make(map[string]string)}
}

// numProducts is how many products the shop has.
const numProducts = 48

// message returns the next request as an HTTP message.
func (v *visitor) message(host string, keepAlive bool) []byte {
	method, path, body := v.request()
	b := make([]byte, 0, 512)
	b = fmt.Appendf(b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: strata-bench\r\nAccept-Language: de\r\n", method, path, host)
	if len(v.cookies) > 0 {
		b = append(b, "Cookie: "...)
		separator := ""
		for _, name := range [...]string{"device", "session", "user", "cart"} {
			if value := v.cookies[name]; value != "" {
				b = append(append(append(append(b, separator...), name...), '='), value...)
				separator = "; "
			}
		}
		b = append(b, "\r\n"...)
	}
	if !keepAlive {
		b = append(b, "Connection: close\r\n"...)
	}
	if method == http.MethodPost {
		b = fmt.Appendf(b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body))
	}
	return append(append(b, "\r\n"...), body...)
}

func (v *visitor) request() (method, path, body string) {
	switch v.next {
	case inList:
		return http.MethodGet, "/c/" + [...]string{"kitchen", "garden", "office", "travel"}[v.random.IntN(4)], ""
	case inSearch:
		return http.MethodGet, "/search?q=la", ""
	case atProduct:
		v.sku = fmt.Sprintf("sku-%02d", v.random.IntN(numProducts))
		return http.MethodGet, "/p/" + v.sku, ""
	case clicking:
		return http.MethodPost, "/click", "target=photo"
	case adding:
		return http.MethodPost, "/cart", "sku=" + v.sku
	case inCart:
		return http.MethodGet, "/cart", ""
	case atCheckout:
		return http.MethodGet, "/checkout", ""
	case buying:
		return http.MethodPost, "/checkout", fmt.Sprintf("email=v%d.%d@example.org", v.number, v.visits)
	case atOrder:
		return http.MethodGet, v.path, ""
	default:
		return http.MethodGet, "/", ""
	}
}

// wanted is the status of an answer to a step.
func (s step) wanted() int {
	switch s {
	case clicking:
		return http.StatusNoContent
	case adding, buying:
		return http.StatusSeeOther
	default:
		return http.StatusOK
	}
}

// take takes the answer and decides what to do next. It returns the number of an order
// that was acknowledged, and an error for an answer that does not fit; then the visitor
// begins anew.
func (v *visitor) take(a answer) (order string, err error) {
	for _, c := range a.cookies {
		v.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	if a.status != v.next.wanted() {
		err = fmt.Errorf("the answer to step %d has status %d", v.next, a.status)
		v.leave()
		return "", err
	}
	if v.next == buying {
		order = strings.TrimPrefix(a.location, "/order/")
		v.path = a.location
	}
	v.decide()
	return order, nil
}

// decide draws the next step.
func (v *visitor) decide() {
	chance := v.random.Float64()
	choose := func(p float64, yes, no step) {
		v.next = no
		if chance < p {
			v.next = yes
		}
	}
	switch v.next {
	case atHome:
		choose(0.8, inList, inSearch)
	case inList, inSearch:
		choose(0.85, atProduct, atHome)
	case atProduct:
		choose(0.4, clicking, adding)
	case clicking:
		choose(0.5, adding, atProduct)
	case adding:
		v.next = inCart
	case inCart:
		choose(0.6, atCheckout, atProduct)
	case atCheckout:
		choose(0.8, buying, atHome)
	case buying:
		v.next = atOrder
	default:
		v.leave()
	}
}

// leave ends the visit. Whoever comes next has a new session, and in one case of three
// is somebody else.
func (v *visitor) leave() {
	v.next = atHome
	v.visits++
	delete(v.cookies, "session")
	if v.random.IntN(3) == 0 {
		clear(v.cookies)
	}
}
