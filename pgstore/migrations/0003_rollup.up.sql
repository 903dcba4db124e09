-- What the rollup makes of events.

-- A batch that is committed and not rolled up yet. It is visible exactly when
-- its events are, so nothing can be skipped.
create table {schema}.rollup_ticket (
    batch_id    bigint not null,
    diversions  smallint not null default 0, -- bits; 0 means all that are in use
    received_at timestamptz not null default now(),
    n_rows      integer not null,
    first_page  bigint not null default 0, -- as in batch
    last_page   bigint not null default 0,
    primary key (batch_id, diversions)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Which kinds of unit experiments divert by. The first exposure of a kind
-- brings the batches before it back as tickets for that kind.
create table {schema}.rollup_control (
    one        boolean primary key default true check (one),
    diversions smallint not null default 0,
    config     integer not null default 0,
    zone       text not null default 'UTC' -- in which days begin; fixed once there are results
);
insert into {schema}.rollup_control default values;

-- Which metrics of which subjects are kept up to date, and in which zone days
-- begin. Units say by which config they were counted.
create table {schema}.rollup_config (
    id       integer primary key,
    document json not null,
    complete boolean not null default false, -- every unit is counted by it
    subject  integer not null default 0, -- how far the units have been counted by it
    sequence bigint not null default 0,
    at       timestamptz not null default now()
);

-- A phase of an experiment.
create table {schema}.subject (
    subject       integer generated always as identity primary key,
    experiment    text not null,
    phase         integer not null,
    last_sequence bigint not null default 0,
    latest        timestamptz, -- the last event of its units
    frozen_at     timestamptz, -- from when on its results stay as they are
    frozen_config integer, -- the config by which all of its units were counted then
    unique (experiment, phase)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

create table {schema}.treatment (
    treatment integer generated always as identity primary key,
    key       text not null unique
);

-- All that happened to a unit, in one value. unit_key is the first half of
-- SHA-256 of the diversion and the id.
create table {schema}.unit_state (
    unit_key bytea primary key,
    config   integer not null,
    state    bytea not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- One exposure for each unit and subject: the first.
create table {schema}.exposure (
    unit_key      bytea not null,
    hash          bigint not null,
    sequence      bigint not null, -- rises in the order of commits
    plan_version  bigint not null,
    first_at      timestamptz not null,
    subject       integer not null,
    treatment     integer not null,
    bucket        integer not null,
    diversion     smallint not null,
    contradiction boolean not null,
    unit_id       text not null,
    attributes    jsonb,
    primary key (unit_key, subject)
) with (fillfactor = 95);
create unique index on {schema}.exposure (subject, sequence);
create index on {schema}.exposure (subject, treatment, first_at) where not contradiction;

-- Which purchase was the first with its order id.
create table {schema}.purchase_order (
    order_key bytea primary key, -- the first half of SHA-256 of tenant and order id
    batch_id  bigint not null,
    idx       bigint not null
);

-- What changed on a day in one metric of one treatment: sums over units. Metric
-- 0 counts the units themselves, treatment 0 those seen in two.
create table {schema}.result_day (
    subject        integer not null,
    metric         integer not null,
    treatment      integer not null,
    step           integer not null,
    day            date not null,
    units          bigint not null,
    repeats        bigint not null,
    matured        bigint not null,
    other_currency bigint not null,
    n              bigint not null,
    s0 numeric, s1 numeric, s2 numeric, s3 numeric,
    q0 numeric, q1 numeric, q2 numeric, q3 numeric, q4 numeric, q5 numeric, q6 numeric, q7 numeric, q8 numeric, q9 numeric,
    primary key (subject, metric, treatment, step, day)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
comment on column {schema}.result_day.q0 is 'Sums of products: q0 is s0·s0, q1 s1·s0, q2 s1·s1, q3 s2·s0, and so on.';

-- What a person who looks into a case reads.
create view {schema}.exposures as
select s.experiment, s.phase, t.key as treatment, x.diversion, x.unit_id, x.first_at, x.plan_version, x.bucket, x.contradiction, x.attributes
from {schema}.exposure x join {schema}.subject s using (subject) join {schema}.treatment t using (treatment);

-- The exposures of a unit by each of its keys, for tools that look into a case:
-- one round trip, planned once in a session.
create function {schema}.exposures_of(keys bytea[])
returns table (experiment text, phase integer, treatment text, diversion smallint, first_at timestamptz, plan_version bigint, bucket integer, contradiction boolean)
language sql stable as $body$
    select s.experiment, s.phase, t.key, x.diversion, x.first_at, x.plan_version, x.bucket, x.contradiction
    from unnest(keys) k(unit_key) join {schema}.exposure x using (unit_key) join {schema}.subject s using (subject) join {schema}.treatment t using (treatment)
    order by s.experiment, s.phase
$body$;
revoke execute on function {schema}.exposures_of(bytea[]) from public;
