import type { PostgresSettings } from './outbox-options.ts';

/** Of the tables, in the row of state. */
export const schemaVersion = 1;

/** States of a row: it waits, waits behind one that is set aside, is set aside. */
export const waiting = 0;
export const behind = 1;
export const aside = 2;

/** The statements of one outbox. Names are checked: see outbox-options.ts. */
export interface OutboxSql {
  readonly rows: string;
  readonly state: string;
  readonly channel: string;
  readonly migrate: readonly string[];
  readonly acquire: string;
  readonly renew: string;
  readonly release: string;
  readonly version: string;
  readonly read: string;
  readonly park: string;
  readonly remove: string;
  readonly setAside: string;
  readonly lag: string;
  readonly failed: string;
  readonly found: string;
  readonly retry: string;
  readonly discard: string;
  readonly resume: string;
}

export function outboxSql({
  schema,
  prefix,
}: Pick<PostgresSettings, 'schema' | 'prefix'>): OutboxSql {
  const rows = `"${schema}"."${prefix}outbox"`;
  const state = `"${schema}"."${prefix}outbox_state"`;
  const wake = `"${schema}"."${prefix}outbox_wake"`;
  const channel = `${prefix}outbox`;
  // Locks the row of state, so that whoever takes the lease, or settles a row, comes before or after the whole statement.
  const mine = `mine as materialized (select settled from ${state} where fence = $1 for share)`;
  const owned = 'select exists (select 1 from mine) as owned';
  return {
    rows,
    state,
    channel,
    migrate: migration({ rows, state, wake, channel, schema, prefix }),
    acquire: `update ${state} set owner = $1, fence = fence + 1, until = clock_timestamp() + $2 * interval '1 ms'
      where owner is null or owner = $1 or until < clock_timestamp() returning fence, version`,
    renew: `update ${state} set until = clock_timestamp() + $2 * interval '1 ms'
      where fence = $1 and owner is not null returning fence`,
    release: `update ${state} set owner = null, until = null where fence = $1 and owner is not null
      returning pg_notify('${channel}', '${schema}:lease') is null as told`,
    version: `select version from ${state}`,
    // A row of a lane in which one is set aside comes without its data, to be parked. The first row comes whatever its size.
    read: `with candidate as (
        select seq, lane, bytes from ${rows}
        where state = ${waiting} and seq <> all ($1::bigint[]) and (lane is null or lane <> all ($2::text[]))
        order by seq limit $3::int + 1
      ), judged as (
        select seq, bytes, row_number() over (order by seq) as place, lane is not null and exists
          (select 1 from ${rows} other where other.lane = candidate.lane and other.state = ${aside}) as blocked
        from candidate
      ), summed as (
        select seq, bytes, place, blocked,
          sum(case when blocked then 0 else bytes end) over (order by seq) as total
        from judged
      )
      select r.seq::text as row, r.id, r.bus, r.topic, r.settings, r.lane, r.attributes, r.bytes, s.blocked,
        case when s.blocked then null else r.data end as data,
        (select count(*)::int from candidate) as candidates, (select settled::text from ${state}) as settled
      from summed s join ${rows} r on r.seq = s.seq
      where s.place <= $3::int and (s.blocked or s.total <= $4::bigint or s.total = s.bytes)
      order by s.seq`,
    // Only if nothing was settled since these rows were found to be blocked.
    park: `with mine as materialized (select 1 from ${state} where fence = $1 and settled = $3::bigint for share)
      update ${rows} set state = ${behind}
      where seq = any ($2::bigint[]) and state = ${waiting} and exists (select 1 from mine)`,
    remove: `with ${mine}, gone as (
        delete from ${rows} where seq = any ($2::bigint[]) and exists (select 1 from mine)
      ) ${owned}`,
    setAside: `with ${mine}, done as (
        update ${rows} set state = ${aside}, reason = $3, failed_at = clock_timestamp()
        where seq = $2::bigint and exists (select 1 from mine)
      ) ${owned}`,
    lag: `select
        (select count(*) from ${rows} where state = ${waiting})::int as waiting,
        (select count(*) from ${rows} where state = ${behind})::int as parked,
        (select count(*) from ${rows} where state = ${waiting} and lane in
          (select lane from ${rows} where state = ${aside}))::int as unparked,
        (select count(*) from ${rows} where state = ${aside})::int as aside,
        (select extract(epoch from clock_timestamp() - written_at) * 1000 from ${rows}
          where state in (${waiting}, ${behind}) order by seq limit 1)::float8 as ms`,
    failed: `select seq::text as row, id, bus, topic, attributes, data, reason,
        (extract(epoch from failed_at) * 1000)::float8 as failed_at
      from ${rows} where state = ${aside} and seq > $1::bigint order by seq limit $2::int`,
    found: `update ${state} set settled = settled + 1`,
    retry: `update ${rows} set state = ${waiting}, reason = null, failed_at = null
      where id = $1 and state = ${aside} returning lane`,
    discard: `delete from ${rows} where id = $1 and state = ${aside} returning lane`,
    resume: `update ${rows} set state = ${waiting} where state = ${behind} and lane = any ($1::text[])
      and not exists (select 1 from ${rows} other where other.lane = ${rows}.lane and other.state = ${aside})`,
  };
}

interface Names {
  readonly rows: string;
  readonly state: string;
  readonly wake: string;
  readonly channel: string;
  readonly schema: string;
  readonly prefix: string;
}

/** From nothing to version 1. Rows come and go: vacuum has to follow soon, and must not lock the table to make it shorter. */
function migration({ rows, state, wake, channel, schema, prefix }: Names): readonly string[] {
  return [
    `create table ${rows} (
      seq bigint generated always as identity primary key,
      id text not null,
      bus text not null,
      topic text not null,
      settings text not null,
      lane text,
      attributes text not null,
      data bytea not null,
      bytes integer not null,
      state smallint not null default ${waiting},
      reason text,
      failed_at timestamptz,
      written_at timestamptz not null default clock_timestamp()
    ) with (
      autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
      autovacuum_vacuum_insert_scale_factor = 0.1, vacuum_truncate = false
    )`,
    `create index "${prefix}outbox_waiting" on ${rows} (seq) where state = ${waiting}`,
    `create index "${prefix}outbox_lane" on ${rows} (lane, state) where state > ${waiting}`,
    `create index "${prefix}outbox_aside" on ${rows} (id) where state = ${aside}`,
    `create table ${state} (
      one boolean primary key default true check (one),
      version integer not null,
      owner text,
      fence bigint not null default 0,
      until timestamptz,
      settled bigint not null default 0
    )`,
    `create function ${wake}() returns trigger language plpgsql as
      $$ begin perform pg_notify('${channel}', '${schema}:rows'); return null; end $$`,
    `create trigger "${prefix}outbox_wake" after insert on ${rows}
      for each statement execute function ${wake}()`,
    `insert into ${state} (version) values (${schemaVersion})`,
  ];
}
