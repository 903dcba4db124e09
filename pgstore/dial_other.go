//go:build !linux

package pgstore

import "syscall"

// setUserTimeout does nothing: only Linux has the setting, elsewhere keepalives
// and deadlines must do.
func setUserTimeout(string, string, syscall.RawConn) error { return nil }
