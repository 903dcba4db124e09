-- What writers send: streams with their cursors, batches, raw events.

create table {schema}.stream (
    stream_id uuid primary key,
    last_idx  bigint not null,
    rejected  bigint not null default 0,
    opened_at timestamptz not null default now(),
    seen_at   timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000); -- room for updates in place
comment on table {schema}.stream is 'One writer''s sequence of records: last_idx is the last one stored.';

create table {schema}.batch (
    batch_id    bigint generated always as identity primary key,
    stream_id   uuid, -- null for events that came through the outbox
    first_idx   bigint not null,
    last_idx    bigint not null,
    n_rows      integer not null,
    n_rejected  integer not null default 0,
    received_at timestamptz not null default now(),
    first_page  bigint not null default 0, -- where in the partition its rows are likely to be
    last_page   bigint not null default 0 -- exclusive; 0 means anywhere
);

create table {schema}.stream_gap (
    stream_id uuid not null,
    first_idx bigint not null,
    last_idx  bigint not null,
    at        timestamptz not null default now(),
    primary key (stream_id, first_idx)
);
comment on table {schema}.stream_gap is 'Records that a writer declared lost: a failover took them, and the writer had them no more.';

create table {schema}.dead_letter (
    stream_id uuid not null,
    idx       bigint not null,
    sqlstate  text not null,
    reason    text not null,
    record    bytea not null,
    at        timestamptz not null default now(),
    primary key (stream_id, idx)
);
comment on table {schema}.dead_letter is 'Records that the store cannot keep, once each, as JSON.';

-- Raw events, for good until retention drops a partition. No index on the
-- columns of a row: that would halve the rate of COPY. received_at is one value
-- for a batch.
create table {schema}.event (
    received_at timestamptz not null default now(),
    event_time  timestamptz not null,
    batch_id    bigint not null,
    idx         bigint not null,
    total       bigint,
    discount    bigint,
    items       bigint,
    value       double precision,
    kind        smallint not null,
    forced      boolean not null,
    user_id     text,
    device_id   text,
    session_id  text,
    tenant_id   text,
    request_id  text,
    name        text,
    order_id    text,
    currency    text,
    details     jsonb
) partition by range (received_at);
comment on column {schema}.event.kind is '1 exposure, 2 page_view, 3 click, 4 purchase, 5 conversion, 6 custom';
comment on column {schema}.event.name is 'page, target, goal, name of the event, or key of the experiment';
comment on column {schema}.event.items is 'pieces in a purchase';
create index on {schema}.event using brin (received_at) with (autosummarize = on, pages_per_range = 32);

-- A net for days that nobody made a partition for.
create table {schema}.event_default partition of {schema}.event default;

-- Makes the partitions of the days from today on that are missing, and returns
-- how many it made. It runs with the rights of whoever migrated, so that the
-- application's role owns nothing. A day whose rows are in the default partition
-- already stays there. It waits for nobody for long: a reader of the whole table
-- may be at it for hours, and the default partition serves until then.
create function {schema}.make_partitions(days integer) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $body$
declare
    day  date;
    name text;
    made integer := 0;
begin
    if not pg_try_advisory_xact_lock(hashtextextended({schema_literal} || '.make_partitions', 0)) then
        return 0; -- another process is at it
    end if;
    for i in 0..least(days, 366) loop
        day := (now() at time zone 'UTC')::date + i;
        name := 'event_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass(format('%I.%I', {schema_literal}, name)) is not null;
        begin
            -- like and attach, as "partition of" would wait for every reader
            execute format('create table %I.%I (like %I.event including defaults including comments)', {schema_literal}, name, {schema_literal});
            execute format('alter table %I.event attach partition %I.%I for values from (%L) to (%L)', {schema_literal}, {schema_literal}, name,
                day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
            made := made + 1;
        exception
            when check_violation then
                null;
            when lock_not_available then
                exit;
        end;
    end loop;
    return made;
end $body$;

-- Drops the partitions of days before one, oldest first, as far as all of their
-- batches are rolled up, and returns their names. Only the owner may. Writers wait
-- while it runs, so that none is between its rows and its ticket.
create function {schema}.drop_partitions(before date) returns setof text
language plpgsql set search_path = pg_catalog, pg_temp as $body$
declare
    part record;
begin
    lock table only {schema}.event in access exclusive mode;
    for part in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = format('%I.event', {schema_literal})::regclass and c.relname ~ '^event_\d{8}$'
          and to_date(substr(c.relname, 7), 'YYYYMMDD') < before
        order by c.relname
    loop
        execute format('lock table %I.%I in access exclusive mode', {schema_literal}, part.relname);
        if exists (select from {schema}.rollup_ticket t
                   where t.received_at < (to_date(substr(part.relname, 7), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC') then
            exit; -- not rolled up yet
        end if;
        execute format('drop table %I.%I', {schema_literal}, part.relname);
        return next part.relname;
    end loop;
end $body$;
revoke execute on function {schema}.make_partitions(integer), {schema}.drop_partitions(date) from public;

-- Events written inside of applications' own transactions. The rollup moves
-- them into event.
create table {schema}.outbox (
    id     bigint generated always as identity primary key,
    record json not null,
    at     timestamptz not null default now()
);
