package main

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/strataxp/strata"
)

// The names that events carry. Metrics select by them, so there are few: a product's
// number is not one of them.
const (
	pageHome     = "/"
	pageList     = "/list"
	pageSearch   = "/search"
	pageProduct  = "/product"
	pageCart     = "/cart"
	pageCheckout = "/checkout"
	pageOrder    = "/order"

	clickAdd = "add-to-cart"
)

// routes are the pages, behind the middleware that says who comes.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /c/{category}", s.category)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /p/{sku}", s.product)
	mux.HandleFunc("POST /click", s.click)
	mux.HandleFunc("GET /cart", s.cart)
	mux.HandleFunc("POST /cart", s.addToCart)
	mux.HandleFunc("GET /checkout", s.checkout)
	mux.HandleFunc("POST /checkout", s.buy)
	mux.HandleFunc("GET /order/{id}", s.order)
	return s.withVisit(mux)
}

// frame is what all pages show.
type frame struct {
	Title          string
	Sticky, Letter bool
	Banner         string
	Categories     []string
}

// frame reads the parameters of the page's frame. Reading is what exposes: only
// who is shown a parameter counts in the experiment that sets it, so a page reads
// what it shows and nothing else.
func (s *shop) frame(v *visit, title string) frame {
	return frame{title, stickyNav.Get(v.a), newsletter.Get(v.a), banner.Get(v.a), s.goods.categories}
}

func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r)
	v.show(w, pageHome, "home.html", struct {
		frame
		Hero  string
		Picks []*product
	}{s.frame(v, "Home"), hero.Get(v.a), s.goods.list("", "popular", picks.Get(v.a))})
}

// listing is a page with many products.
type listing struct {
	frame
	Products []*product
	Badge    string
}

func (s *shop) category(w http.ResponseWriter, r *http.Request) {
	v, category := visitOf(r), r.PathValue("category")
	list := s.goods.list(category, ranking.Get(v.a), perPage.Get(v.a))
	if len(list) == 0 {
		http.NotFound(w, r)
		return
	}
	v.show(w, pageList, "list.html", listing{s.frame(v, strings.ToUpper(category[:1])+category[1:]), list, badge.Get(v.a)})
}

func (s *shop) search(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r)
	list := s.goods.search(r.URL.Query().Get("q"), ranking.Get(v.a), perPage.Get(v.a))
	v.show(w, pageSearch, "list.html", listing{s.frame(v, "Search"), list, badge.Get(v.a)})
}

func (s *shop) product(w http.ResponseWriter, r *http.Request) {
	v, p := visitOf(r), s.goods.bySKU[r.PathValue("sku")]
	if p == nil {
		http.NotFound(w, r)
		return
	}
	v.show(w, pageProduct, "product.html", struct {
		frame
		*product
		Color, Photo, Badge string
		Reviews, Hint       bool
		Related             []*product
	}{
		s.frame(v, p.Name), p, ctaColor.Get(v.a), photo.Get(v.a), badge.Get(v.a),
		reviews.Get(v.a), stockHint.Get(v.a), s.goods.related(p, related.Get(v.a)),
	})
}

// click takes what the browser reports: a photo that was opened, a tab.
func (s *shop) click(w http.ResponseWriter, r *http.Request) {
	target := r.PostFormValue("target")
	if target != "photo" && target != "reviews" { // anybody may send anything
		http.Error(w, "what was clicked?", http.StatusBadRequest)
		return
	}
	visitOf(r).track(strata.Click{Target: target, Page: pageProduct})
	w.WriteHeader(http.StatusNoContent)
}

func (s *shop) cart(w http.ResponseWriter, r *http.Request) {
	v, c := visitOf(r), s.cartOf(r)
	free := freeFrom.Get(v.a)
	page := struct {
		frame
		Cart              cart
		Shipping, Missing int64
		Offer             []*product
	}{frame: s.frame(v, "Cart"), Cart: c, Shipping: c.shipping(free)}
	if len(c) > 0 && progress.Get(v.a) {
		page.Missing = max(0, free-c.Goods())
	}
	if len(c) > 0 && upsell.Get(v.a) {
		page.Offer = s.goods.related(c[0].product, 2)
	}
	v.show(w, pageCart, "cart.html", page)
}

func (s *shop) addToCart(w http.ResponseWriter, r *http.Request) {
	p := s.goods.bySKU[r.PostFormValue("sku")]
	if p == nil {
		http.NotFound(w, r)
		return
	}
	visitOf(r).track(strata.Click{Target: clickAdd, Page: pageProduct})
	s.cartOf(r).with(p).keep(w)
	http.Redirect(w, r, "/cart", http.StatusSeeOther)
}

func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	v, c := visitOf(r), s.cartOf(r)
	if len(c) == 0 {
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
		return
	}
	v.show(w, pageCheckout, "checkout.html", struct {
		frame
		Cart           cart
		Shipping       int64
		OnePage, Trust bool
		Pay            string
	}{s.frame(v, "Checkout"), c, c.shipping(freeFrom.Get(v.a)), onePage.Get(v.a), trust.Get(v.a), payText.Get(v.a)})
}

// buy takes an order. It would be paid for and stored here.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	v, c := visitOf(r), s.cartOf(r)
	email := r.PostFormValue("email")
	if len(c) == 0 || !strings.Contains(email, "@") {
		http.Error(w, "an order needs goods and an e-mail address", http.StatusUnprocessableEntity)
		return
	}
	v.login(w, email) // before the purchase is tracked: it is to carry all ids
	order := rand.Text()
	// Where the order is a row of the same database, pgstore.TrackTx writes the
	// purchase in its transaction: both are there or neither. Tracking it again,
	// as on a reload, would do no harm: an order counts once.
	v.track(c.purchase(order, freeFrom.Get(v.a)))
	s.orders.Add(1)
	cart(nil).keep(w)
	http.Redirect(w, r, "/order/"+order, http.StatusSeeOther)
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r)
	v.show(w, pageOrder, "order.html", struct {
		frame
		Order, Thanks string
		Referral      bool
	}{s.frame(v, "Order"), r.PathValue("id"), thanks.Get(v.a), referral.Get(v.a)})
}
