// What is measured against others and under load. It lives in a module of its own, as
// the libraries that strata is compared with must not become its dependencies.
module github.com/strataxp/strata/bench

go 1.26

replace github.com/strataxp/strata => ../
