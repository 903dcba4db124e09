package main

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"runtime"
	"slices"
	"time"

	"github.com/strataxp/strata"
)

// health is what a person on call asks first, as JSON. Package telemetry has the
// same figures for Prometheus and expvar.
type health struct {
	Orders int64 `json:"orders"` // taken by this process

	Plan      int64            `json:"plan"`      // the version in effect here
	Accepted  int64            `json:"accepted"`  // events taken in
	Delivered int64            `json:"delivered"` // of these the store has
	Lost      int64            `json:"lost"`      // of these in no store; recorded there as a gap
	Refused   map[string]int64 `json:"refused"`   // events not taken in, by kind
	Buffered  int              `json:"buffered_bytes"`
	Problems  []string         `json:"problems"` // of background work, at present

	HeapBytes  uint64        `json:"heap_bytes"`
	SysBytes   uint64        `json:"sys_bytes"` // from the operating system
	Goroutines int           `json:"goroutines"`
	GCs        uint32        `json:"gcs"`
	GCPauses   time.Duration `json:"gc_pauses_ns"`    // all of them
	GCLongest  time.Duration `json:"gc_longest_ns"`   // of the latest 256
	Allocated  uint64        `json:"allocated_bytes"` // since the start
}

// health asks the engine and the runtime. It stops the program for some
// microseconds.
func (s *shop) health() health {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h := health{
		Orders:    s.orders.Load(),
		HeapBytes: m.HeapAlloc, SysBytes: m.Sys, Goroutines: runtime.NumGoroutine(), Allocated: m.TotalAlloc,
		GCs: m.NumGC, GCPauses: time.Duration(m.PauseTotalNs), GCLongest: time.Duration(slices.Max(m.PauseNs[:])),
	}
	if s.eng != nil {
		h.ask(s.eng.Status())
	}
	return h
}

// ask copies what the engine says of itself. Errors have no JSON form of their own.
func (h *health) ask(e strata.EngineStatus) {
	h.Plan, h.Buffered = e.Version, e.BufferedBytes
	h.Accepted, h.Delivered, h.Lost = e.Written+e.Unwritten, e.Written, e.Lost
	h.Refused = make(map[string]int64)
	for kind, n := range e.Refused {
		h.Refused[string(kind)] = n.Invalid + n.Shed + n.Full
	}
	for _, err := range []error{e.RefreshErr, e.WriteErr, e.ConfirmErr, e.SpoolErr, e.LeftoverErr} {
		if err != nil {
			h.Problems = append(h.Problems, err.Error())
		}
	}
}

// debugRoutes are for those who run the shop. They listen at an address of their
// own, which visitors cannot reach.
func (s *shop) debugRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/strata", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(s.health()); err != nil {
			s.log.Debug("nobody waits for the status any more", "error", err)
		}
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
