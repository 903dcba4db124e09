package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Visitors come everywhere, and what they do is decided by their number alone.
func TestVisitorsComeEverywhere(t *testing.T) {
	steps := make(map[step]int)
	v, same := newVisitor(7, 1), newVisitor(7, 1)
	for range 2000 {
		steps[v.next]++
		require.Equal(t, string(v.message("shop", true)), string(same.message("shop", true)))
		for _, each := range []*visitor{v, same} {
			_, err := each.take(answer{status: each.next.wanted(), location: "/order/o-1", cookies: []*http.Cookie{{Name: "device", Value: "d"}, {Name: "session", Value: "s"}}})
			require.NoError(t, err)
		}
	}
	for s := atHome; s <= atOrder; s++ {
		require.Positive(t, steps[s], "step %d was never taken", s)
	}
}

func TestMessages(t *testing.T) {
	v := newVisitor(3, 1)
	_, err := v.take(answer{status: 200, cookies: []*http.Cookie{{Name: "session", Value: "s"}, {Name: "device", Value: "d"}}})
	require.NoError(t, err)
	v.next = buying
	text := string(v.message("shop:80", false))
	require.True(t, strings.HasPrefix(text, "POST /checkout HTTP/1.1\r\nHost: shop:80\r\n"), text)
	require.Contains(t, text, "\r\nCookie: device=d; session=s\r\nConnection: close\r\n")
	require.Contains(t, text, "\r\nContent-Length: 22\r\n\r\nemail=v3.0@example.org")
	require.NotContains(t, string(v.message("shop:80", true)), "Connection")

	order, err := v.take(answer{status: 303, location: "/order/o-1", cookies: []*http.Cookie{{Name: "session", MaxAge: -1}}})
	require.NoError(t, err)
	require.Equal(t, "o-1", order)
	require.Equal(t, map[string]string{"device": "d"}, v.cookies)
	require.Contains(t, string(v.message("shop:80", true)), "GET /order/o-1 ")

	_, err = v.take(answer{status: 500})
	require.ErrorContains(t, err, "status 500")
	require.Equal(t, atHome, v.next)
}

func TestLedger(t *testing.T) {
	l := newLedger()
	l.acknowledged("a")
	l.acknowledged("b")
	require.NoError(t, l.audit(l.all(), 0))
	require.ErrorContains(t, l.audit(map[string]int64{"a": 1}, 0), "of 2 orders acknowledged 1 are not stored")
	require.NoError(t, l.audit(map[string]int64{"a": 1}, 1), "the loss was declared")
	require.ErrorContains(t, l.audit(map[string]int64{"a": 1, "b": 2}, 5), "1 are stored twice")
	require.ErrorContains(t, l.audit(map[string]int64{"a": 1, "b": 1, "c": 1}, 5), "1 are stored that nobody was told of")
	l.unknown()
	require.NoError(t, l.audit(map[string]int64{"a": 1, "b": 1, "c": 1}, 0), "its answer is missing")
}

func TestTheShopsLastWords(t *testing.T) {
	c := parseClosed("closed: 7 orders, 100 events accepted, 98 delivered, 3 refused, 1 lost; 2 in memory")
	require.Equal(t, closed{said: true, orders: 7, accepted: 100, delivered: 98, refused: 3, lost: 1, left: 2}, c)
	require.False(t, parseClosed("closed: no").said)
}
