package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/strataxp/strata"
)

const (
	cookieCart  = "cart"
	currency    = "EUR"
	shippingFee = 4_90 // in cents
	maxLines    = 20
	maxQuantity = 99
)

// line is some pieces of one product.
type line struct {
	*product
	Quantity int64
}

// Sum is what the line costs, in cents.
func (l line) Sum() int64 { return l.Price * l.Quantity }

// cart is what a visitor is about to buy. It lives in a cookie, as "sku-07.2_sku-11.1",
// so that the shop keeps nothing.
type cart []line

// cartOf reads the cookie; what makes no sense in it is left out.
func (s *shop) cartOf(r *http.Request) (list cart) {
	cookie, err := r.Cookie(cookieCart)
	if err != nil {
		return nil
	}
	for part := range strings.SplitSeq(cookie.Value, "_") {
		sku, count, _ := strings.Cut(part, ".")
		p, n := s.goods.bySKU[sku], quantity(count)
		if p != nil && n > 0 && len(list) < maxLines {
			list = append(list, line{p, n})
		}
	}
	return list
}

func quantity(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > maxQuantity {
		return 0
	}
	return n
}

// with returns the cart with one more of a product.
func (c cart) with(p *product) cart {
	c = slices.Clone(c)
	i := slices.IndexFunc(c, func(l line) bool { return l.product == p })
	switch {
	case i >= 0:
		c[i].Quantity = min(c[i].Quantity+1, maxQuantity)
	case len(c) < maxLines:
		c = append(c, line{p, 1})
	}
	return c
}

// keep sets the cookie. An empty cart takes it off.
func (c cart) keep(w http.ResponseWriter) {
	var text strings.Builder
	for i, l := range c {
		if i > 0 {
			text.WriteByte('_')
		}
		text.WriteString(l.SKU + "." + strconv.FormatInt(l.Quantity, 10))
	}
	cookie := &http.Cookie{Name: cookieCart, Value: text.String(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if len(c) == 0 {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// Goods is what the products cost, in cents.
func (c cart) Goods() (sum int64) {
	for _, l := range c {
		sum += l.Sum()
	}
	return sum
}

// shipping is what sending them costs, in cents.
func (c cart) shipping(freeFrom int64) int64 {
	if len(c) == 0 || c.Goods() >= freeFrom {
		return 0
	}
	return shippingFee
}

// purchase is the order as an event. The total is what was paid; the lines are for
// whoever looks at it later.
func (c cart) purchase(order string, freeFrom int64) strata.Purchase {
	p := strata.Purchase{OrderID: order, Total: c.Goods() + c.shipping(freeFrom), Currency: currency}
	for _, l := range c {
		p.Items = append(p.Items, strata.Item{SKU: l.SKU, Quantity: l.Quantity, Price: l.Price})
	}
	return p
}
