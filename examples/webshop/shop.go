package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/memstore"
	"github.com/strataxp/strata/pgstore"
)

// shop is what the handlers share.
type shop struct {
	goods  *catalogue
	pages  *template.Template
	eng    *strata.Engine // nil in a shop without experiments
	log    *slog.Logger
	orders atomic.Int64 // taken since the start

	closeStore func()
}

//go:embed templates
var templates embed.FS

// openShop opens the store and the engine on it. What it returns is closed with
// [shop.close].
func openShop(ctx context.Context, o options, log *slog.Logger) (*shop, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"money": money}).ParseFS(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	s := &shop{goods: newCatalogue(), pages: pages, log: log, closeStore: func() {}}
	if !o.strata {
		return s, nil
	}
	store, err := s.openStore(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := publishFirst(ctx, store); err != nil {
		s.closeStore()
		return nil, err
	}
	s.eng, err = strata.Open(ctx, store, strata.Config{
		Params:          handles(),
		Logger:          log, // the store is away, the plan is no good: somebody should know
		RefreshInterval: o.refresh,
		Spool:           strata.SpoolConfig{Dir: o.spool},
	})
	if err != nil {
		s.closeStore()
		return nil, err
	}
	return s, nil
}

// openStore opens PostgreSQL, or a store in memory where no server is named.
func (s *shop) openStore(ctx context.Context, o options) (strata.Store, error) {
	if o.dsn == "" {
		return memstore.New(), nil
	}
	store, err := pgstore.Open(ctx, o.dsn, pgstore.Config{Logger: s.log, NoRollup: !o.rollup})
	if err != nil {
		return nil, err
	}
	s.closeStore = store.Close
	return store, nil
}

// close writes what is buffered, and ends what runs in the background. No request
// may be under way. What could not be written by the deadline of ctx is returned.
func (s *shop) close(ctx context.Context) (left strata.Left, err error) {
	if s.eng != nil {
		left, err = s.eng.Close(ctx)
	}
	s.closeStore()
	return left, err
}

// show writes a page and tracks that it was seen. That comes behind the reading of
// what is in data, which exposes: what a visitor did before the exposure is no effect
// of it and does not count, not even by a microsecond. The page is made in memory
// first, so that a failure is not half a page.
func (v *visit) show(w http.ResponseWriter, page, file string, data any) {
	s := v.shop
	v.track(strata.PageView{Page: page})
	var body bytes.Buffer
	if err := s.pages.ExecuteTemplate(&body, file, data); err != nil {
		s.log.Error("a page cannot be shown", "page", file, "error", err)
		http.Error(w, "something is wrong here", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// What a visitor gets is for nobody else: caches must not mix treatments.
	w.Header().Set("Cache-Control", "private, no-store")
	if _, err := body.WriteTo(w); err != nil {
		s.log.Debug("a visitor has gone", "error", err)
	}
}

// money writes cents as people read them.
func money(cents int64) string { return fmt.Sprintf("%d.%02d €", cents/100, cents%100) }
