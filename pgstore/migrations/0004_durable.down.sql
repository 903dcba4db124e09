drop view {schema}.writer;
drop table {schema}.unit_loss;
drop table {schema}.stream_loss;
alter table {schema}.stream_gap drop column reason;
alter table {schema}.stream drop column fenced;
comment on table {schema}.stream_gap is 'Records that a writer declared lost: a failover took them, and the writer had them no more.';
