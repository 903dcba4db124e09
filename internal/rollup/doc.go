// Package rollup keeps the results of experiments up to date, unit by unit. It
// is pure: no I/O, no clock, no goroutines.
//
// A [Unit] is what is known of one id: its exposures and the facts of its
// events. What it contributes to the results of an experiment, as they stood at
// the end of each day, follows from that alone; [Config.Contribute] adds it to
// [Cells], and [Config.Change] adds the difference that new facts make. So a
// total is the same whether it was kept up to date batch by batch, in whatever
// order they came, or added up at once: that is the invariant that stores
// with rollups test themselves by.
//
// memstore adds up every unit at each question; pgstore keeps cells in a table.
package rollup
