import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, connect, type Delivery, type Handle } from '@duobus/core';
import type { FaultOptions } from './fault-options.ts';
import { atMost, equal, type FaultReport, none } from './fault-report.ts';
import { faultTopic } from './load.ts';
import { causeless, disorder, lost, repeats } from './predicates.ts';
import { between, seededRandom } from './random.ts';
import { type FaultDocument, nowMs, type Sighting, sightingOf } from './sighting.ts';
import { openStage, type Stage, subscriber } from './stage.ts';
import { until } from './until.ts';

const faults = ['restart', 'kill -9', 'kill -9'] as const;
const consumers = 2;
const handlerMs = [1, 8] as const;
const backWithinMs = 60_000;

interface Wound {
  readonly fault: string;
  readonly fromMs: number;
  readonly upMs: number;
}

/** Publishers and consumers of one process while their broker is restarted and killed. */
export async function brokerKill(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  const random = seededRandom(options.seed);
  await using stage = await openStage(options, 6);
  const sightings: Sighting[] = [];
  const breaksMs: number[] = [];
  const members: { bus: Bus; handle: Handle }[] = [];
  try {
    for (let n = 1; n <= consumers; n += 1)
      members.push(await consume(stage, `member-${n}`, options, sightings, breaksMs));
    const { load, broker } = stage;
    load.start(options.rate);
    const wounds: Wound[] = [];
    for (const fault of faults) {
      await sleep(between(random, 4_000, 7_000));
      const fromMs = nowMs();
      if (fault === 'restart') await broker.restart();
      else {
        await broker.kill9();
        await sleep(between(random, 0, 2_000));
        await broker.start();
      }
      const upMs = nowMs();
      wounds.push({ fault, fromMs, upMs });
      await until(
        () => sightings.length > 0 && (sightings.at(-1)?.beganMs ?? 0) > upMs,
        backWithinMs,
      );
    }
    await sleep(5_000);
    await load.stop();
    const isAllHandled = await until(
      () => lost(load.published, sightings).length === 0,
      backWithinMs,
      500,
    );
    const left = await settledAll(stage);
    const healths = await Promise.all(members.map(({ bus }) => bus.health()));
    const reconnects = members.map(({ handle }) => handle.stats().reconnects);
    const dead = await stage.dead();
    const again = repeats(sightings);
    const gaps = wounds.map((wound, at) => gapsOf(wound, wounds[at + 1], sightings, stage));
    const unknownHandled = load.published.filter(
      ({ id, status }) => status === 'unknown' && sightings.some((sight) => sight.id === id),
    ).length;
    const ordered = options.order === 'key';
    const report: FaultReport = {
      name: 'broker-kill',
      adapter: options.adapter,
      broker: `${broker.version}, ${ordered ? 'order by key' : 'no order'}`,
      seed: options.seed,
      figures: {
        'published (stored / rejected / unknown)': `${load.stored} / ${load.rejected} / ${load.unknown}`,
        'unknown, and handled': unknownHandled,
        'handler runs': sightings.length,
        'repeats by cause': countBy(again),
        'reconnects per consumer': reconnects.join(', '),
        ...Object.fromEntries(
          gaps.map(({ fault, down, handled, stored }, at) => [
            `${at + 1}. ${fault}: broker away / no handling / no confirm, ms`,
            `${down} / ${handled} / ${stored}`,
          ]),
        ),
        ...(load.errors.length === 0 ? {} : { 'first failed publishes': load.errors[0] ?? '' }),
      },
      claims: [
        none('stored and lost', lost(load.published, sightings)),
        equal('everything came in time', String(isAllHandled), 'true'),
        none('repeats without a cause', causeless(sightings)),
        ...(ordered
          ? [none('out of order', disorder(load.published, sightings, [], breaksMs))]
          : []),
        equal('not settled at the end', left, 0),
        equal('dead letters', dead.size, 0),
        equal('healthy again', healths.filter(({ ok }) => ok).length, consumers),
        atMost(
          'away for consumers after the broker answered, ms',
          Math.max(...wounds.map((wound) => backAfter(wound, sightings))),
          backWithinMs / 2,
        ),
      ],
    };
    return { report, sightings };
  } finally {
    await Promise.all(members.map(({ bus }) => bus.close()));
  }
}

async function consume(
  { broker, setting }: Stage,
  name: string,
  { prefetch }: FaultOptions,
  sightings: Sighting[],
  breaksMs: number[],
): Promise<{ bus: Bus; handle: Handle }> {
  const bus = await connect(broker.url, {
    source: `/faults/${name}`,
    instrument: {
      event: (event) => {
        if (event.type === 'connection') breaksMs.push(nowMs());
      },
    },
  });
  const [least, most] = handlerMs;
  const handler = async (document: FaultDocument, delivery: Delivery): Promise<void> => {
    const sighting = sightingOf(document, delivery, name);
    sightings.push(sighting);
    await sleep(least + Math.random() * (most - least));
    sighting.endedMs = nowMs();
  };
  const topic = faultTopic(setting);
  const handle =
    setting.kind === 'event'
      ? await bus.events.subscribe(topic, subscriber, handler, { prefetch })
      : await bus.data.subscribe(topic, subscriber, handler, { prefetch });
  return { bus, handle };
}

async function settledAll(stage: Stage): Promise<number> {
  await until(async () => (await stage.left()) === 0, 10_000, 200);
  return stage.left();
}

function countBy(sightings: readonly Sighting[]): string {
  const counts = new Map<string, number>();
  for (const { cause } of sightings) counts.set(cause, (counts.get(cause) ?? 0) + 1);
  const text = [...counts].map(([cause, n]) => `${n} ${cause}`).join(', ');
  return text === '' ? 'none' : text;
}

function gapsOf(
  { fault, fromMs, upMs }: Wound,
  next: Wound | undefined,
  sightings: readonly Sighting[],
  { load }: Stage,
): { fault: string; down: number; handled: number; stored: number } {
  const toMs = next?.fromMs ?? Number.POSITIVE_INFINITY;
  const longest = (times: readonly number[]): number => {
    let most = 0;
    let last = fromMs;
    for (const time of times.toSorted((a, b) => a - b)) {
      if (time < fromMs || time > toMs) continue;
      most = Math.max(most, time - last);
      last = time;
    }
    return Math.round(most);
  };
  return {
    fault,
    down: Math.round(upMs - fromMs),
    handled: longest(sightings.map(({ beganMs }) => beganMs)),
    stored: longest(load.storedAtMs),
  };
}

function backAfter({ upMs }: Wound, sightings: readonly Sighting[]): number {
  const first = sightings.find(({ beganMs }) => beganMs >= upMs);
  return first === undefined ? Number.POSITIVE_INFINITY : first.beganMs - upMs;
}
