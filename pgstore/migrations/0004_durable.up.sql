-- What writers say of themselves: what they lost and why, and who may not write.

alter table {schema}.stream add column fenced boolean not null default false;
comment on column {schema}.stream.fenced is 'Set by hand or by Store.Fence: the writer of this stream is refused, and keeps what it has.';

alter table {schema}.stream_gap add column reason text;
comment on table {schema}.stream_gap is 'Records that a writer declared lost for good: they had an index, and neither the writer nor this database has them. Usually a failover took them.';

create table {schema}.stream_loss (
    stream_id uuid not null,
    kind      text not null,
    reason    text not null,
    events    bigint not null,
    primary key (stream_id, kind, reason)
) with (fillfactor = 70);
comment on table {schema}.stream_loss is 'Events that a writer did not take in, in all since its stream began: they never got an index. Add up over streams.';
comment on column {schema}.stream_loss.reason is 'invalid: refused as no valid event; shed: its unit was chosen when load had to be shed; full: there was no room';

-- Experiments are named, not numbered: losses may be told of one that nobody
-- has stored an exposure to.
create table {schema}.unit_loss (
    experiment text not null,
    phase      integer not null,
    treatment  text not null,
    stream_id  uuid not null,
    units      bigint not null,
    primary key (experiment, phase, treatment, stream_id)
) with (fillfactor = 70);
comment on table {schema}.unit_loss is 'Units of an experiment''s treatment that lost at least one event in a writer that had to shed load, in all since its stream began. Add up over streams; a unit that two writers know counts twice.';

-- Who writes, how far each has got, and what is missing.
create view {schema}.writer as
select s.stream_id, s.last_idx, s.opened_at, s.seen_at, s.fenced, s.rejected,
    (select coalesce(sum(g.last_idx - g.first_idx + 1), 0)::bigint from {schema}.stream_gap g where g.stream_id = s.stream_id) as gap,
    (select coalesce(sum(l.events), 0)::bigint from {schema}.stream_loss l where l.stream_id = s.stream_id) as lost
from {schema}.stream s;
comment on view {schema}.writer is 'Streams with what is missing of them: rejected records (in dead_letter), records in a gap (stream_gap), events that were not taken in (stream_loss).';
