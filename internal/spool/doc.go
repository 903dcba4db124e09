// Package spool is an append-only log of records on disk that survives a crash
// of the process, and as far as it was synced, of the machine.
//
// A [Spool] is a folder with one folder in it for each stream. The process that
// makes a stream appends to its [Log], syncs it, reads it from the front and
// trims what is no longer wanted by deleting whole segments. A stream that an
// earlier process left behind is recovered to be read and removed; nothing is
// ever appended to it. Nothing is stored about how far it was read: whoever reads
// knows that.
//
// The log knows nothing of what it keeps. Its unit is the frame: a payload that
// stands for count records with the indexes first … first+count-1.
//
// What can be relied on:
//
//   - What Append took survives the end of the process, and what Sync reported
//     survives the end of the machine.
//   - Indexes are read in ascending order, each once, with the very bytes that
//     were appended. What is missing is told, with the reason.
//   - Damage is stepped over. It never makes a log unreadable.
//   - A full disk refuses appends with [ErrFull], and takes them again when there
//     is space. Making space by trimming needs none.
//   - After a failed sync the same descriptor is not synced again, as the kernel
//     may have dropped what it could not write: what was not durable is written
//     again, to a new segment.
//
// It works on Linux, macOS and FreeBSD and is written to build on other systems,
// where Open fails with an error that matches errors.ErrUnsupported. The format
// is described in format.go.
package spool
