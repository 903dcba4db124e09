package faults_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/strataxp/strata"
	"github.com/strataxp/strata/faults"
	"github.com/strataxp/strata/internal/audit"
	"github.com/strataxp/strata/internal/pgtest"
	"github.com/strataxp/strata/internal/seed"
	"github.com/strataxp/strata/pgstore"
)

// nowhere is the connection string of a server that is down.
const nowhere = "postgres://nobody@127.0.0.1:1/none?sslmode=disable"

// builds are the programs that were built for this test binary.
var builds struct {
	sync.Mutex
	dir   string
	names map[bool]string // with the race detector or without
}

// removeBuilds is for the end of the test binary.
func removeBuilds() error {
	if builds.dir == "" {
		return nil
	}
	return os.RemoveAll(builds.dir)
}

// writerProgram builds the writer, once for each test binary.
func writerProgram(t testing.TB, race bool) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if name := builds.names[race]; name != "" {
		return name
	}
	if builds.dir == "" {
		var err error
		//lint:ignore usetesting it is for all tests
		builds.dir, err = os.MkdirTemp("", "strata-writer-")
		require.NoError(t, err)
		builds.names = make(map[bool]string)
	}
	name := filepath.Join(builds.dir, fmt.Sprintf("writer-%t", race))
	out, err := exec.CommandContext(t.Context(), "go", "build", fmt.Sprintf("-race=%t", race), "-o", name, "./writer").CombinedOutput()
	require.NoError(t, err, "go build ./writer: %s", out)
	builds.names[race] = name
	return name
}

// rig is a database, a spool, and the processes that write to both.
type rig struct {
	testing.TB
	random      *rand.Rand
	program     string
	dsn, schema string
	dir, spool  string
	ledgers     []string // files, one for each process
	drained     strata.EngineStatus
}

// newRig returns a rig on the shared server.
func newRig(t testing.TB) *rig {
	t.Helper()
	dsn, schema := pgtest.Schema(t)
	return newRigOn(t, dsn, schema)
}

// newRigOn returns a rig with a schema and a plan on a server. The plan is in the
// plan file too, so that writers start where the server is down.
func newRigOn(t testing.TB, dsn, schema string) *rig {
	t.Helper()
	name := fnv.New64a()
	_, _ = name.Write([]byte(t.Name())) // it never fails
	dir := t.TempDir()
	r := &rig{
		TB: t, random: rand.New(rand.NewPCG(seed.Of(t), name.Sum64())), program: writerProgram(t, seed.Long()),
		dsn: dsn, schema: schema, dir: dir, spool: filepath.Join(dir, "spool"),
	}
	store := r.store()
	defer store.Close()
	_, err := strata.Publish(t.Context(), store, &strata.Plan{}, strata.PublishOptions{Author: "faults", Message: "to have one"})
	require.NoError(t, err)
	eng := r.open(store, "")
	_, err = eng.Close(r.Context())
	require.NoError(t, err)
	return r
}

func (r *rig) store() *pgstore.Store {
	r.Helper()
	store, err := pgstore.Open(r.Context(), r.dsn, pgstore.Config{Schema: r.schema, NoRollup: true})
	require.NoError(r, err)
	return store
}

// process is a writer that runs.
type process struct {
	rig   *rig
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	says  bytes.Buffer // on standard error
}

// start starts a writer and returns when it is about to track. Arguments come
// behind those that every writer gets, and win over them.
func (r *rig) start(args ...string) *process {
	r.Helper()
	return r.startUnder(nil, args...)
}

// startUnder starts a writer by another program, which must become it.
func (r *rig) startUnder(by []string, args ...string) *process {
	r.Helper()
	ledger := filepath.Join(r.dir, fmt.Sprintf("ledger-%d", len(r.ledgers)))
	r.ledgers = append(r.ledgers, ledger)
	line := append(slices.Clip(by),
		r.program, "-dsn", r.dsn, "-schema", r.schema, "-spool", r.spool, "-plan", r.plan(), "-ledger", ledger, "-min-free", "-1")
	line = append(line, args...)
	p := &process{rig: r, cmd: exec.CommandContext(r.Context(), line[0], line[1:]...)}
	p.cmd.Stderr, p.cmd.WaitDelay = &p.says, 10*time.Second
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(r, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(r, err)
	p.out = bufio.NewReader(out)
	require.NoError(r, p.cmd.Start())
	tooLong := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer tooLong.Stop()
	said, err := p.out.ReadString('\n')
	if err != nil || said != "ready\n" {
		_ = p.cmd.Wait()
		require.FailNow(r, "the writer does not start", "%q: %v\n%s", said, err, p.says.String())
	}
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill kills the writer.
func (p *process) kill() {
	p.rig.Helper()
	require.NoError(p.rig, p.cmd.Process.Signal(syscall.SIGKILL), "the writer has ended by itself: %s", &p.says)
	//lint:ignore errcheck that it was killed is no news
	_ = p.cmd.Wait()
	require.Equal(p.rig, syscall.SIGKILL, p.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "the writer has ended by itself: %s", &p.says)
}

// report is what a writer prints when it ends.
type report struct {
	Left               strata.Left
	Written, Resent    int64
	Lost, Refused      int64
	TrimmedUnconfirmed int64
	Slowest            time.Duration
	SpoolErr           string
	Goroutines         int
}

// stop has the writer close its engine, and returns what it says.
func (p *process) stop() (said report) {
	p.rig.Helper()
	require.NoError(p.rig, p.stdin.Close())
	text, err := io.ReadAll(p.out)
	require.NoError(p.rig, err)
	require.NoError(p.rig, p.cmd.Wait(), "%s", &p.says)
	require.NoError(p.rig, json.Unmarshal(text, &said), "%s", text)
	return said
}

// wait lets some real time pass: processes of others cannot be in a bubble.
func (r *rig) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	}
}

// between returns a random duration.
func (r *rig) between(low, high time.Duration) time.Duration {
	return low + time.Duration(r.random.Int64N(int64(high-low)))
}

// streams lists the folders of streams in a spool.
func (r *rig) streams(spool string) (names []string) {
	r.Helper()
	entries, err := os.ReadDir(spool)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(r, err)
	for _, e := range entries {
		if e.IsDir() && strings.Count(e.Name(), "-") == 4 {
			names = append(names, e.Name())
		}
	}
	return names
}

func (r *rig) plan() string { return filepath.Join(r.dir, "plan") }

// open opens an engine in this process that has a spool and sends what is in it.
func (r *rig) open(store strata.Store, spool string) *strata.Engine {
	r.Helper()
	eng, err := strata.Open(r.Context(), store, strata.Config{
		Lanes: 1, NoWatch: true, PlanFile: r.plan(), FlushInterval: 20 * time.Millisecond,
		Spool: strata.SpoolConfig{Dir: spool, MinFreeBytes: -1},
	})
	require.NoError(r, err)
	return eng
}

// drain sends what processes have left in a spool, as the next one would, until
// nothing of theirs is there.
func (r *rig) drain(spool string) {
	r.Helper()
	store := r.store()
	defer store.Close()
	eng := r.open(store, spool)
	patience := time.Minute
	if seed.Long() {
		patience = 10 * time.Minute
	}
	for deadline := time.Now().Add(patience); len(r.streams(spool)) > 1 && time.Now().Before(deadline); {
		r.wait(10 * time.Millisecond)
	}
	left := r.streams(spool)
	r.drained = eng.Status()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 10*time.Second)
	defer cancel()
	_, err := eng.Close(ctx)
	require.NoError(r, err)
	require.Len(r, left, 1, "folders of dead streams are still there: %v; %v", r.drained.LeftoverErr, r.drained.WriteErr)
	require.Empty(r, r.streams(spool))
}

// ledger returns what the processes have written down.
func (r *rig) ledger() *audit.Ledger {
	r.Helper()
	l := audit.NewLedger()
	for i := range r.ledgers {
		r.readLedger(l, i)
	}
	return l
}

// lastLedger returns what the process that was started last has written down.
func (r *rig) lastLedger() *audit.Ledger {
	r.Helper()
	l := audit.NewLedger()
	r.readLedger(l, len(r.ledgers)-1)
	return l
}

// readLedger adds what a process has written down.
func (r *rig) readLedger(into *audit.Ledger, i int) {
	r.Helper()
	require.NoError(r, faults.ReadLedger(into, r.ledgers[i]))
}

// finish drains the spool and checks that what was promised is stored.
func (r *rig) finish(terms audit.Terms) *audit.Evidence {
	r.Helper()
	r.drain(r.spool)
	return r.check(terms)
}

// check checks that what was promised is stored.
func (r *rig) check(terms audit.Terms) *audit.Evidence {
	r.Helper()
	ledger := r.ledger()
	e, err := faults.Evidence(r.Context(), r.dsn, r.schema)
	require.NoError(r, err)
	require.NoError(r, ledger.Check(e, terms))
	r.Logf("%d tracked, %d of them %s or more; %d stored, %d in gaps; %d sent from what was left",
		ledger.Len(), ledger.AtLeast(terms.Safe), terms.Safe, len(e.Rows), e.Lost(), r.drained.LeftoverWritten)
	require.Positive(r, ledger.AtLeast(terms.Safe), "no event came as far as what the test is about")
	return e
}

// number asks the database.
func (r *rig) number(sql string) (n int64) {
	r.Helper()
	conn, err := pgx.Connect(r.Context(), r.dsn)
	require.NoError(r, err)
	//lint:ignore errcheck it only reads
	defer conn.Close(r.Context())
	require.NoError(r, conn.QueryRow(r.Context(), fmt.Sprintf(sql, pgx.Identifier{r.schema}.Sanitize())).Scan(&n))
	return n
}

// committed returns how many indexes the database has, of all streams.
func (r *rig) committed() int64 {
	r.Helper()
	return r.number("select coalesce(sum(last_idx), 0)::bigint from %s.stream")
}
