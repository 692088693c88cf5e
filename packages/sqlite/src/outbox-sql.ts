/** Of the tables, in the row of state. */
export const schemaVersion = 1;

/** States of a row: it waits, waits behind one that is set aside, is set aside. */
const waiting = 0;
const behind = 1;
const aside = 2;

/** The database's clock, in ms since 1970: that of the machine, which all processes that share the file share. */
const now = "cast(unixepoch('subsec') * 1000 as integer)";

/** The statements of one outbox. The prefix is checked: see outbox-options.ts. */
export interface OutboxSql {
  readonly rows: string;
  readonly state: string;
  readonly migrate: readonly string[];
  readonly insert: string;
  readonly version: string;
  readonly acquire: string;
  readonly renew: string;
  readonly release: string;
  readonly owned: string;
  readonly read: string;
  readonly park: string;
  readonly remove: string;
  readonly setAside: string;
  readonly lag: string;
  readonly failed: string;
  readonly retry: string;
  readonly discard: string;
  readonly resume: string;
}

export function outboxSql(prefix: string): OutboxSql {
  const rows = `${prefix}outbox`;
  const state = `${prefix}outbox_state`;
  const list = (place: string): string => `(select value from json_each(${place}))`;
  return {
    rows,
    state,
    migrate: [
      // autoincrement: the place of a row that is deleted is not given again
      `create table ${rows} (
        seq integer primary key autoincrement,
        id text not null,
        bus text not null,
        topic text not null,
        settings text not null,
        lane text,
        attributes text not null,
        data blob not null,
        bytes integer not null,
        state integer not null default ${waiting},
        reason text,
        failed_at integer,
        written_at integer not null default (${now})
      )`,
      `create index ${prefix}outbox_waiting on ${rows} (seq) where state = ${waiting}`,
      `create index ${prefix}outbox_lane on ${rows} (lane, state) where state > ${waiting}`,
      `create index ${prefix}outbox_aside on ${rows} (id) where state = ${aside}`,
      `create table ${state} (
        one integer primary key check (one = 1),
        version integer not null,
        owner text,
        fence integer not null default 0,
        until integer
      )`,
      `insert into ${state} (one, version) values (1, ${schemaVersion})`,
    ],
    insert: `insert into ${rows} (id, bus, topic, settings, lane, attributes, data, bytes)
      values (?, ?, ?, ?, ?, ?, ?, ?)`,
    version: `select version from ${state}`,
    acquire: `update ${state} set owner = ?1, fence = fence + 1, until = ${now} + ?2
      where owner is null or owner = ?1 or until < ${now} returning fence`,
    renew: `update ${state} set until = ${now} + ?2 where fence = ?1 and owner is not null returning fence`,
    release: `update ${state} set owner = null, until = null where fence = ?1`,
    owned: `select 1 from ${state} where fence = ?1`,
    // The first row comes whatever its size; of a lane in which a row is set aside only the numbers come, to be parked.
    read: `with candidate as materialized (
        select seq, lane, bytes from ${rows}
        where state = ${waiting} and seq not in ${list('?1')} and (lane is null or lane not in ${list('?2')})
        order by seq limit ?3 + 1
      ), judged as (
        select seq, bytes, row_number() over (order by seq) as place, lane is not null and exists
          (select 1 from ${rows} other where other.lane = candidate.lane and other.state = ${aside}) as blocked
        from candidate
      ), summed as (
        select seq, bytes, place, blocked,
          sum(case when blocked then 0 else bytes end) over (order by seq) as total
        from judged
      )
      select cast(r.seq as text) as row, r.id, r.bus, r.topic, r.settings, r.lane, r.attributes, r.bytes,
        s.blocked, case when s.blocked then null else r.data end as data,
        (select count(*) from candidate) as candidates
      from summed s join ${rows} r on r.seq = s.seq
      where s.place <= ?3 and (s.blocked or s.total <= ?4 or s.total = s.bytes)
      order by s.seq`,
    park: `update ${rows} set state = ${behind} where seq in ${list('?1')} and state = ${waiting} and exists
      (select 1 from ${rows} other where other.lane = ${rows}.lane and other.state = ${aside})`,
    remove: `delete from ${rows} where seq in ${list('?1')}`,
    setAside: `update ${rows} set state = ${aside}, reason = ?2, failed_at = ${now} where seq = ?1`,
    lag: `select
        (select count(*) from ${rows} where state = ${waiting}) as waiting,
        (select count(*) from ${rows} where state = ${behind}) as parked,
        (select count(*) from ${rows} where state = ${waiting} and lane in
          (select lane from ${rows} where state = ${aside})) as unparked,
        (select count(*) from ${rows} where state = ${aside}) as aside,
        (select ${now} - written_at from ${rows} where state in (${waiting}, ${behind}) order by seq limit 1) as ms`,
    failed: `select cast(seq as text) as row, id, bus, topic, attributes, data, reason, failed_at
      from ${rows} where state = ${aside} and seq > ?1 order by seq limit ?2`,
    retry: `update ${rows} set state = ${waiting}, reason = null, failed_at = null
      where id = ?1 and state = ${aside} returning lane`,
    discard: `delete from ${rows} where id = ?1 and state = ${aside} returning lane`,
    resume: `update ${rows} set state = ${waiting} where state = ${behind} and lane in ${list('?1')}
      and not exists (select 1 from ${rows} other where other.lane = ${rows}.lane and other.state = ${aside})`,
  };
}
