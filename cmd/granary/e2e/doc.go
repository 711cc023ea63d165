// Package e2e tests the built program from outside: a process on a free port of this machine, with a data folder of its
// own, that is fed, killed, stopped, damaged and asked.
//
// The tests have the build tag e2e, because they take minutes:
//
//	go test -tags e2e ./cmd/granary/e2e/
//
// With -short they do fewer rounds. The environment changes what is done:
//
//	GRANARY_E2E_RACE=1      build the program with the race detector
//	GRANARY_E2E_ROUNDS=500  rounds of each crash test
//	GRANARY_E2E_SEED=7      seed of the moments of the kills and of what is sent; each test logs the one it took
//	GRANARY_GOLDEN=FILE     recorded exchanges with cc-metric-store, for TestGolden
//	GRANARY_E2E_BROWSER=required    fail where there is no Chromium, instead of leaving its test out
//	GRANARY_E2E_GNOCCHI=required    fail where there is no command gnocchi, instead of leaving its test out
//	GRANARY_E2E_PROMETHEUS=required fail where there is no Prometheus, instead of leaving its tests out
//	GRANARY_E2E_INFLUXDB=required   fail where there is no InfluxDB 1.x with its shell and its Python library, instead of leaving its tests out
//	GRANARY_E2E_SCRIPTS=FOLDER      the published scripts prom2ccms.py and influx2ccms.py, for the tests of them
//	GRANARY_E2E_MOHAWK=FOLDER       the source of Mohawk 0.33.3, for the shell tests that it has
//	GRANARY_E2E_SCREENSHOT=FILE     a picture of the page of the HTTP API
//
// Every answer that the tests see is checked against the OpenAPI document.
//
// The package holds tests only and is imported by nothing.
package e2e
