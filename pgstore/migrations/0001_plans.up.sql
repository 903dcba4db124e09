-- Which migrations this schema has.
create table {schema}.migration (
  version    integer primary key,
  name       text not null,
  applied_at timestamptz not null default now()
);

-- Every version of the plan, for ever: the history is the audit log. The
-- document is json and not jsonb, so that it comes back as it was published.
create table {schema}.plan_version (
  version      bigint primary key,
  based_on     bigint not null check (based_on >= 0 and version = based_on + 1),
  effective_at timestamptz, -- null: at once
  author       text not null,
  message      text not null,
  published_at timestamptz not null,
  document     json not null
);

-- What follows is for people: the plan in effect, as tables.
create view {schema}.current_plan as
select version, effective_at, author, message, published_at, document
from {schema}.plan_version
where effective_at is null or effective_at <= now()
order by version desc
limit 1;

create view {schema}.current_experiment as
select p.version,
  e ->> 'key'                                as experiment,
  coalesce(e ->> 'description', '')          as description,
  e ->> 'layer'                              as layer,
  coalesce((e ->> 'phase')::integer, 0)      as phase,
  coalesce(e ->> 'status', 'draft')          as status,
  coalesce(e ->> 'buckets', '')              as buckets,
  coalesce(e ->> 'draining', '')             as draining,
  coalesce(e ->> 'audience', '')             as audience,
  coalesce(e ->> 'shared_control', '')       as shared_control,
  (e #>> '{schedule,start}')::timestamptz    as starts_at, -- null: when it is running
  (e #>> '{schedule,end}')::timestamptz      as ends_at,   -- null: no end
  array(select json_array_elements_text(e -> 'metrics')) as metrics
from {schema}.current_plan p, json_array_elements(p.document -> 'experiments') e;

create view {schema}.current_treatment as
select p.version,
  e ->> 'key'                       as experiment,
  n::integer                        as position, -- 1 is the control, unless it is shared
  t ->> 'key'                       as treatment,
  coalesce(t ->> 'description', '') as description,
  (t ->> 'weight')::integer         as weight,
  coalesce(t -> 'values', '{}')     as parameter_values
from {schema}.current_plan p,
  json_array_elements(p.document -> 'experiments') e,
  json_array_elements(case json_typeof(e -> 'treatments') when 'array' then e -> 'treatments' end) with ordinality as x (t, n);

create view {schema}.current_metric as
select p.version,
  m ->> 'key'                                    as metric,
  coalesce(m ->> 'description', '')              as description,
  m ->> 'type'                                   as type,
  m -> 'measure'                                 as measure,     -- null for a funnel
  m -> 'denominator'                             as denominator, -- of a ratio
  m -> 'steps'                                   as steps,       -- of a funnel
  m ->> 'window'                                 as attribution_window, -- as in 72h0m0s; null: to the end
  coalesce(m ->> 'direction', 'increase')        as direction,
  (m ->> 'cap')::double precision                as cap,         -- null: none
  coalesce((m ->> 'guardrail')::boolean, false)  as guardrail
from {schema}.current_plan p, json_array_elements(p.document -> 'metrics') m;

create view {schema}.current_layer as
select p.version,
  l ->> 'key'                                as layer,
  coalesce(l ->> 'description', '')          as description,
  coalesce(l ->> 'domain', '')               as domain, -- empty: the root domain
  coalesce(l ->> 'diversion', 'user')        as diversion,
  coalesce((l ->> 'launch')::boolean, false) as launch,
  array(select json_array_elements_text(l -> 'parameters')) as parameters
from {schema}.current_plan p, json_array_elements(p.document -> 'layers') l;

create view {schema}.current_parameter as
select p.version,
  a ->> 'key'                       as parameter,
  coalesce(a ->> 'description', '') as description,
  a ->> 'type'                      as type,
  a -> 'default'                    as default_value
from {schema}.current_plan p, json_array_elements(p.document -> 'parameters') a;
