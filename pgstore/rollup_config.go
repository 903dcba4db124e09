package pgstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/internal/rollup"
)

// rollupConfig is which metrics of which subjects are kept up to date: those of
// the newest plan's experiments, in each phase that they had, and of those that
// left it. Units name the config by which they were counted, so a new one takes
// effect at once, and the units follow.
type rollupConfig struct {
	LastMetric int32           `json:"last_metric"` // the last number given to a metric
	Subjects   []configSubject `json:"subjects"`
}

type configSubject struct {
	Subject    int32          `json:"subject"`
	Experiment string         `json:"experiment"`
	Phase      int            `json:"phase"`
	Metrics    []configMetric `json:"metrics"`
}

// configMetric is a metric's numbers in result_day. ID is never used again: a
// metric that was dropped and comes back begins anew.
type configMetric struct {
	ID         int32         `json:"id"`
	Until      time.Time     `json:"until,omitzero"` // bounds it where it has no window
	Definition strata.Metric `json:"definition"`
}

// loadedConfig is a config made ready.
type loadedConfig struct {
	at       time.Time
	document rollupConfig
	zone     *time.Location
	subjects map[int32][]*rollup.Metric
}

// loadConfig reads a config, its document once for each process; number 0 is
// empty.
func (s *Store) loadConfig(ctx context.Context, tx pgx.Tx, id int32) (*loadedConfig, error) {
	c := &loadedConfig{zone: s.zone, subjects: make(map[int32][]*rollup.Metric)}
	if id == 0 {
		return c, nil
	}
	if err := tx.QueryRow(ctx, s.sql(`select at from {schema}.rollup_config where id = $1::integer`), id).Scan(&c.at); err != nil {
		return nil, err
	}
	// A server that took over from another may have made another one since.
	if known := s.configs.get(id); known != nil && known.at.Equal(c.at) {
		return known, nil
	}
	var document string
	if err := tx.QueryRow(ctx, s.sql(`select document::text from {schema}.rollup_config where id = $1::integer`), id).Scan(&document); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(document), &c.document); err != nil {
		return nil, fmt.Errorf("pgstore: rollup config %d cannot be read: %w", id, err)
	}
	for _, subject := range c.document.Subjects {
		for i := range subject.Metrics {
			m := &subject.Metrics[i]
			c.subjects[subject.Subject] = append(c.subjects[subject.Subject], rollup.NewMetric(m.ID, &m.Definition, m.Until))
		}
	}
	s.configs.put(id, c)
	return c, nil
}

// configCache keeps configs, which never change.
type configCache struct {
	mu    sync.Mutex
	known map[int32]*loadedConfig
}

func (c *configCache) get(id int32) *loadedConfig {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known[id]
}

func (c *configCache) put(id int32, config *loadedConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[id] = config
}

// configure derives the rollup's config from a plan that is about to be stored,
// in the same transaction.
func (s *Store) configure(ctx context.Context, tx pgx.Tx, plan *strata.Plan) error {
	if _, err := tx.Exec(ctx, lockRollupAlone, s.cfg.Schema); err != nil {
		return err
	}
	var current int32
	if err := tx.QueryRow(ctx, s.sql(`select config from {schema}.rollup_control`)).Scan(&current); err != nil {
		return err
	}
	was, err := s.readConfig(ctx, tx, current)
	if err != nil {
		return err
	}
	now, err := s.nextConfig(ctx, tx, plan, &was)
	if err != nil {
		return err
	}
	slices.SortFunc(now.Subjects, func(a, b configSubject) int { return cmp.Compare(a.Subject, b.Subject) })
	document, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if before, err := json.Marshal(was); err != nil || bytes.Equal(before, document) {
		return err
	}
	// Where nobody was exposed yet to what is new, everybody is counted.
	counted, err := s.completeConfig(ctx, tx)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, s.sql(`
with made as (
    insert into {schema}.rollup_config (id, document, complete)
    select $1::integer, $2::text::json, not exists (select from {schema}.subject where subject = any($3::integer[]) and last_sequence > 0)
    returning id)
update {schema}.rollup_control set config = made.id from made`), current+1, string(document), uncounted(&now, &counted.document))
	return err
}

// uncounted lists the subjects of a config that have metrics which another had
// not.
func uncounted(now, before *rollupConfig) []int32 {
	list := []int32{}
	for _, subject := range now.Subjects {
		counted := before.subject(subject.Subject)
		if slices.ContainsFunc(subject.Metrics, func(m configMetric) bool { return !counted.has(m.ID) }) {
			list = append(list, subject.Subject)
		}
	}
	return list
}

func (c *configSubject) has(metric int32) bool {
	return c != nil && slices.ContainsFunc(c.Metrics, func(m configMetric) bool { return m.ID == metric })
}

// nextConfig returns the config of a plan. Phases before go on with the metrics
// of now. Frozen subjects, and those of experiments that left the plan, go on as
// they were: their daily results stay what their units make them.
func (s *Store) nextConfig(ctx context.Context, tx pgx.Tx, plan *strata.Plan, was *rollupConfig) (rollupConfig, error) {
	now := rollupConfig{LastMetric: was.LastMetric}
	frozen, err := s.frozenSubjects(ctx, tx)
	if err != nil {
		return now, err
	}
	names := newNames()
	for i := range plan.Experiments {
		e := &plan.Experiments[i]
		if len(e.Metrics) == 0 {
			continue
		}
		subject, err := names.subject(ctx, tx, s, e.Key, e.Phase)
		if err != nil {
			return now, err
		}
		for j := range was.Subjects {
			if old := &was.Subjects[j]; old.Experiment == e.Key && old.Phase != e.Phase && !frozen[old.Subject] {
				now.Subjects = append(now.Subjects, configSubject{old.Subject, e.Key, old.Phase, metricsOf(plan, e, old, time.Time{}, &now.LastMetric)})
			}
		}
		if !frozen[subject] {
			now.Subjects = append(now.Subjects, configSubject{subject, e.Key, e.Phase, metricsOf(plan, e, was.subject(subject), e.Schedule.End, &now.LastMetric)})
		}
	}
	for i := range was.Subjects {
		if now.subject(was.Subjects[i].Subject) == nil {
			now.Subjects = append(now.Subjects, was.Subjects[i])
		}
	}
	return now, nil
}

// readConfig reads a config as it is stored.
func (s *Store) readConfig(ctx context.Context, tx pgx.Tx, id int32) (rollupConfig, error) {
	c, err := s.loadConfig(ctx, tx, id)
	if err != nil {
		return rollupConfig{}, err
	}
	return c.document, nil
}

// metricsOf lists an experiment's metrics for a phase, with the numbers that
// they had.
func metricsOf(plan *strata.Plan, e *strata.Experiment, was *configSubject, until time.Time, last *int32) []configMetric {
	var metrics []configMetric
	for _, key := range e.Metrics {
		definition := plan.Metric(key)
		if definition == nil {
			continue
		}
		m := newConfigMetric(*definition, until)
		if slices.ContainsFunc(metrics, func(x configMetric) bool { return x.same(&m) }) {
			continue // one row of numbers serves both
		}
		if was != nil {
			for i := range was.Metrics {
				if was.Metrics[i].same(&m) {
					m.ID = was.Metrics[i].ID
				}
			}
		}
		if m.ID == 0 {
			*last++
			m.ID = *last
		}
		metrics = append(metrics, m)
	}
	return metrics
}

// newConfigMetric keeps of a metric what its numbers depend on.
func newConfigMetric(m strata.Metric, until time.Time) configMetric {
	m.Description, m.Direction, m.MinimumEffect, m.Guardrail, m.Margin = "", "", 0, false, 0
	if m.Window > 0 {
		until = time.Time{}
	}
	if !until.IsZero() {
		until = until.UTC().Round(0)
	}
	return configMetric{Until: until, Definition: m}
}

// same reports whether two metrics have the same numbers, whatever they are
// called.
func (m *configMetric) same(other *configMetric) bool {
	a, b := m.Definition, other.Definition
	if a.Type != b.Type || a.Window != b.Window || !m.Until.Equal(other.Until) {
		return false // most are: it saves the documents
	}
	a.Key, b.Key = "", ""
	one, err := json.Marshal(a)
	two, err2 := json.Marshal(b)
	return err == nil && err2 == nil && bytes.Equal(one, two)
}

func (c *rollupConfig) subject(id int32) *configSubject {
	for i := range c.Subjects {
		if c.Subjects[i].Subject == id {
			return &c.Subjects[i]
		}
	}
	return nil
}
