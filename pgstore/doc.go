// Package pgstore keeps plans, events and results in PostgreSQL 14 or newer.
//
//	store, err := pgstore.Open(ctx, "postgres://app@db/shop", pgstore.Config{})
//	if err != nil {
//		return err // says what to do about it
//	}
//	defer store.Close()
//	eng, err := strata.Open(ctx, store, strata.Config{})
//
// Everything lies in one schema, [Config.Schema], and nothing outside of it is
// touched. [Open] brings that schema up to date. Where the application may not
// change tables, run [Migrate] when you deploy and grant it what [RolesSQL]
// says; a superuser is needed for nothing.
//
// # PgBouncer
//
// The store works behind PgBouncer with transaction pooling if the connection
// string says default_query_exec_mode=exec (or simple_protocol): older versions
// of PgBouncer know no prepared statements. What does not work there is
// [Store.WatchPlans]: engines learn of a new plan by asking for it, every
// RefreshInterval.
//
// # In the database
//
// For people and their tools there are views of the plan in effect:
// current_plan, current_experiment, current_treatment, current_metric,
// current_layer and current_parameter. Table plan_version is the history, with
// the author, the reason and the whole document of each version.
package pgstore
