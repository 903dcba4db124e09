drop view {schema}.current_parameter, {schema}.current_layer, {schema}.current_metric,
  {schema}.current_treatment, {schema}.current_experiment, {schema}.current_plan;
drop table {schema}.plan_version, {schema}.migration;
