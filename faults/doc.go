// Package faults breaks what stands between an event and its row in PostgreSQL,
// and looks whether the promises of docs/reliability.md hold: connections (P1 to
// P14), processes and disks (D1 to D12), servers that fail over (F1 to F13). The
// tests bear those numbers, which docs/reliability.md explains. U1 to U10 need no
// database and are in the packages that they test.
//
// Each test has a workload that writes down what it tracked and how safe it was
// told that each event is, breaks something meanwhile, puts it right, waits until
// everything is stored and asks package audit.
//
// By default the loops are short, for every change; STRATA_LONG=1 makes them as
// long as the documentation says, which is what scripts/faults does.
package faults
