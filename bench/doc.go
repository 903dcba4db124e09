// Package bench holds what measures strata from outside, each a command of its own:
//
//   - rivals: the assignment path beside that of other libraries, and beside the
//     physical floor;
//   - request: a whole web shop under constant load, with strata and without, while
//     Postgres is stopped, hangs and comes back;
//   - scale: how time and memory grow with layers, experiments, parameters, kept
//     units, events and engines;
//   - memory: millions of distinct units at full rate, and what the heap does.
//
// What they found stands in docs/performance.md, with the commands.
package bench
