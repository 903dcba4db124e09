package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Statsig's client never ends the goroutine that sends its events.
		goleak.IgnoreAnyFunction("github.com/statsig-io/go-sdk.(*logger).backgroundFlush"),
		// It ends this one up to a minute after Shutdown.
		goleak.IgnoreAnyFunction("github.com/statsig-io/go-sdk.(*TTLSet).StartResetThread.func1"),
	)
}
