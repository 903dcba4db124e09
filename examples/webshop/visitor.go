package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/strataxp/strata"
)

// The cookies that say who comes.
const (
	cookieDevice  = "device"  // a random id that stays for a year
	cookieSession = "session" // a random id that goes with the browser's window
	cookieUser    = "user"    // who has bought something before
)

// visit is a request, as pages see it: who makes it and what that visitor gets. It
// is made once for each request, so that a page shows one state of the plan.
type visit struct {
	unit strata.Unit

	// a is nil in a shop without experiments: everything that is read through it is
	// the default.
	a    *strata.Assignment
	shop *shop
}

type visitKey struct{}

// visitOf returns the visit of a request that came through the middleware.
func visitOf(r *http.Request) *visit {
	//lint:ignore errcheck every route lies behind the middleware; a zero visit would do
	v, _ := r.Context().Value(visitKey{}).(*visit)
	return v
}

// withVisit is the middleware: it knows visitors again by their cookies, and
// assigns each request once.
func (s *shop) withVisit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{shop: s, unit: strata.Unit{
			Device:  ensureID(w, r, cookieDevice, 365*24*time.Hour),
			Session: ensureID(w, r, cookieSession, 0),
			User:    idIn(r, cookieUser),
			// What audiences may ask for. Nothing of it is stored.
			Attributes: map[string]any{
				"language": language(r.Header.Get("Accept-Language")),
				"mobile":   strings.Contains(r.UserAgent(), "Mobile"),
			},
		}}
		v.assign()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
	})
}

// assign decides what the visitor gets. It costs less than a microsecond, waits for
// nothing and cannot fail.
func (v *visit) assign() {
	if v.shop.eng != nil {
		v.a = v.shop.eng.Assign(v.unit)
	}
}

// login says who the visitor is, from now on: also in what this request goes on to
// read and track, so that layers that divert by user have an id. A real shop takes
// the id from its own login.
func (v *visit) login(w http.ResponseWriter, email string) {
	// An id that names nobody: events are kept for long.
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(email))))
	v.unit.User = hex.EncodeToString(sum[:12])
	setCookie(w, cookieUser, v.unit.User, 365*24*time.Hour)
	v.assign()
}

// track records what the visitor does. It returns at once, and no request fails
// because of it:
//
//   - where the buffer is full, as the store has been away for long, the engine has
//     counted the event, and reports say how many of which treatment are missing;
//   - an engine that is closed belongs to a process that is about to end;
//   - what remains is an event that no report could use. That is a bug of the shop.
func (v *visit) track(e strata.Event) {
	if v.shop.eng == nil {
		return
	}
	err := v.a.Track(e)
	if err == nil || errors.Is(err, strata.ErrBufferFull) || errors.Is(err, strata.ErrClosed) {
		return
	}
	v.shop.log.Error("an event is not recorded", "kind", e.Kind(), "error", err)
}

// ensureID returns the id in a cookie, and sets a new one where there is none. Zero
// means as long as the browser is open.
func ensureID(w http.ResponseWriter, r *http.Request, cookie string, keep time.Duration) string {
	id := idIn(r, cookie)
	if id == "" {
		id = rand.Text()
		setCookie(w, cookie, id, keep)
	}
	return id
}

func setCookie(w http.ResponseWriter, name, value string, keep time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(keep.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// idIn returns the id in a cookie, or nothing where somebody has made one up that we
// would never have given.
func idIn(r *http.Request, cookie string) string {
	c, err := r.Cookie(cookie)
	if err != nil || len(c.Value) < 16 || len(c.Value) > 64 {
		return ""
	}
	for _, b := range []byte(c.Value) {
		if (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') {
			return ""
		}
	}
	return c.Value
}

// language is the first one that a browser asks for, as in "de".
func language(accepted string) string {
	if len(accepted) < 2 {
		return "en"
	}
	return strings.ToLower(accepted[:2])
}
