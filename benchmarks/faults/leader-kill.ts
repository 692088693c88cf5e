import type { Copies } from './copies.ts';
import type { FaultOptions } from './fault-options.ts';
import { atMost, equal, type FaultReport, none } from './fault-report.ts';
import { kafkaCopies } from './kafka-copies.ts';
import { countByCause, Members } from './members.ts';
import { causeless, disorder, lost, repeats, repeatsApartFrom } from './predicates.ts';
import { between, seededRandom } from './random.ts';
import { rabbitmqCopies } from './rabbitmq-copies.ts';
import { nowMs, type Sighting } from './sighting.ts';
import { openStage } from './stage.ts';
import { until } from './until.ts';
import { longestGap, reachOf, type Wound } from './wound.ts';

const consumers = 2;
const kills = 2;
const withinMs = 180_000;
/** What was handled and not settled may be so old: pointers are written every second, and a busy machine adds some. */
const openMs = 2_000;

interface LeaderWound extends Wound {
  readonly node: string;
  /** When something else led what the killed node had led. */
  readonly electedMs: number;
  /** When the consumers had no backlog again, without the node. */
  readonly goesOnMs: number;
  /** When the node had everything again. */
  readonly wholeMs: number;
}

/** The node that leads a busy partition is killed, comes back, and then another one's. */
export async function leaderKill(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  const { adapter, order, rate, documents } = options;
  const random = seededRandom(options.seed);
  await using stage = await openStage(
    { ...options, broker: options.broker ?? `${adapter}-cluster` },
    6,
  );
  const { load, broker, setting } = stage;
  const loadMs = (documents / rate) * 4_000 + withinMs;
  await using copies = await (adapter === 'kafka' ? kafkaCopies : rabbitmqCopies)(broker, setting);
  await using members = new Members();
  const { sightings, breaksMs } = members;
  for (let n = 1; n <= consumers; n += 1) await members.join(stage, options);
  const stored = (count: number): Promise<void> =>
    wait(`${count} documents`, () => load.storedAtMs.length >= count, loadMs);
  /** What is published from now on is handled as well: keys go round, so all partitions are at work. */
  const caughtUp = async (): Promise<void> => {
    const enough = load.published.length + 2 * rate;
    await wait('the load', () => load.published.length >= enough, loadMs);
    let left = documents;
    const isSteady = (): boolean => {
      left = lost(load.published, sightings).length;
      return left <= rate;
    };
    if (!(await until(isSteady, loadMs, 1_000)))
      throw new Error(`the consumers are behind by ${left}: ${members.states.join('; ')}`);
  };
  load.start(rate);
  const wounds: LeaderWound[] = [];
  for (let n = 1; n <= kills; n += 1) {
    const share = (documents * n) / (kills + 1);
    await stored(share);
    wounds.push(await killLeader(copies, wounds, (most) => between(random, 0, most), caughtUp));
    console.log(`${n}. ${wounds.at(-1)?.fault}, ${load.storedAtMs.length} documents stored`);
  }
  await stored(documents);
  await load.stop();
  const handled = (): boolean => lost(load.published, sightings).length === 0;
  const isAllHandled = await until(handled, withinMs, 500);
  const left = await stage.settled();
  const dead = await stage.dead();
  const times = sightings.map(({ beganMs }) => beganMs);
  const gapsOf = (wound: Wound, at: number): readonly number[] =>
    [times, load.storedAtMs].map((some) => longestGap(wound, some, reachOf(wounds, at)));
  const disturbances = wounds.map(({ fromMs, wholeMs }) => ({ fromMs, toMs: wholeMs }));
  const report: FaultReport = {
    name: 'leader-kill',
    adapter,
    broker: `${broker.version}, three nodes, ${order === 'key' ? 'order by key' : 'no order'}`,
    seed: options.seed,
    figures: {
      'published (stored / rejected / unknown)': `${load.stored} / ${load.rejected} / ${load.unknown}`,
      'handler runs': sightings.length,
      'repeats by cause': countByCause(repeats(sightings)),
      'reconnects per consumer': members.reconnects.join(', '),
      ...Object.fromEntries(wounds.map((wound, at) => rowOf(wound, at, gapsOf(wound, at)))),
      ...(load.errors.length === 0 ? {} : { 'first failed publishes': load.errors[0] ?? '' }),
    },
    claims: [
      atMost('documents short of those asked for', Math.max(0, documents - load.stored), 0),
      none('stored and lost', lost(load.published, sightings)),
      equal('everything came in time', String(isAllHandled), 'true'),
      none('repeats without a cause', causeless(sightings)),
      none('repeats that no kill explains', repeatsApartFrom(sightings, disturbances, openMs)),
      ...(order === 'key'
        ? [none('out of order', disorder(load.published, sightings, [], breaksMs))]
        : []),
      equal('not settled at the end', left, 0),
      equal('dead letters', dead.size, 0),
      equal('healthy again', await members.healthy(), consumers),
      atMost(
        'longest time without handling, ms',
        Math.max(...wounds.map((wound, at) => gapsOf(wound, at)[0] ?? 0)),
        30_000,
      ),
    ],
  };
  return { report, sightings };
}

function rowOf(wound: LeaderWound, at: number, gaps: readonly number[]): [string, string] {
  const { fault, fromMs, electedMs, goesOnMs, upMs, wholeMs } = wound;
  const since = [electedMs, goesOnMs, upMs, wholeMs].map((ms) => Math.round(ms - fromMs));
  return [
    `${at + 1}. ${fault}: new leader / no backlog / node back / all in sync / no handling / no confirm, ms`,
    [...since, ...gaps].join(' / '),
  ];
}

/** Whoever was killed before has everything by then, and another one is taken. It stays away until the consumers have
 *  caught up without it: a node may be lost for good. */
async function killLeader(
  copies: Copies,
  before: readonly LeaderWound[],
  draw: (most: number) => number,
  caughtUp: () => Promise<void>,
): Promise<LeaderWound> {
  await wholeAgain(copies);
  await caughtUp();
  const all = await copies.leaders();
  const others = all.filter(({ leader }) => !before.some(({ node }) => node === leader.name));
  const chosen = others[draw(others.length - 1)];
  if (chosen === undefined) throw new Error('nothing is led by a node that was not killed yet');
  const { name, leader } = chosen;
  const fromMs = nowMs();
  await leader.kill9();
  await wait(`another leader of ${name}`, async () => {
    const now = (await copies.leaders()).find((one) => one.name === name);
    return now !== undefined && now.leader !== leader;
  });
  const electedMs = nowMs();
  await caughtUp();
  const goesOnMs = nowMs();
  await leader.start();
  const upMs = nowMs();
  await wholeAgain(copies, name);
  const fault = `kill -9 of ${leader.name}, leader of ${name}`;
  return { node: leader.name, fault, fromMs, electedMs, goesOnMs, upMs, wholeMs: nowMs() };
}

async function wholeAgain(copies: Copies, busy?: string): Promise<void> {
  let behind: readonly string[] = [];
  const isWhole = async (): Promise<boolean> => {
    behind = await copies.behind(busy);
    return behind.length === 0;
  };
  if (!(await until(isWhole, withinMs, 2_000)))
    throw new Error(`not in sync within ${withinMs} ms: ${behind.slice(0, 3).join('; ')}`);
}

async function wait(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = withinMs,
  everyMs = 100,
): Promise<void> {
  if (!(await until(condition, ms, everyMs)))
    throw new Error(`waited ${ms} ms in vain for ${what}`);
}
