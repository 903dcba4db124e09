// Package makeway lets long computations in the background make way for requests.
//
// A goroutine that computes keeps its processor for 10 ms where others are waiting for
// it. A web application's tail is made of such waits: on a machine with two cores a batch of
// events that is encoded, or a rollup, is enough.
package makeway

import "runtime"

// every is how many steps go between two times that a loop makes way: some tens of
// microseconds for steps that take a microsecond, of which making way costs a hundredth.
const every = 64

// At makes way at every 64th step of a loop; i counts its steps.
func At(i int) {
	if i%every == every-1 {
		runtime.Gosched()
	}
}
