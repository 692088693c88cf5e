import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../statistics.ts';
import { type Consumer, Consumers, type WorkerTask } from './consumers.ts';
import type { FaultOptions } from './fault-options.ts';
import { equal, type FaultReport, none } from './fault-report.ts';
import { groupBy } from './group-by.ts';
import {
  causeless,
  disorder,
  lost,
  repeats,
  standstills,
  unexplainedRepeats,
} from './predicates.ts';
import { between, seededRandom } from './random.ts';
import { nowMs, type Sighting } from './sighting.ts';
import { openStage, subscriber } from './stage.ts';
import { until } from './until.ts';

const slots = 6;
const partitions = 12;
const drainWithinMs = 90_000;
/** The pointer is written every second (design: D4); what a busy machine may add. */
const writtenWithinMs = 1_000 + 1_000;
/** Less is what lies between two documents anyway. */
const stillMs = 250;

interface Change {
  readonly what: 'join' | 'leave' | 'kill';
  readonly atMs: number;
}

/** Consumer processes join, leave and die at random while documents are published. */
export async function rebalanceStorm(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  const { seed, rate, seconds, prefetch } = options;
  const random = seededRandom(seed);
  await using stage = await openStage(options, partitions);
  const { load, broker, setting } = stage;
  const consumers = new Consumers();
  const task: WorkerTask = {
    url: broker.url,
    setting,
    name: subscriber,
    prefetch,
    concurrency: 16,
    handlerMs: [2, 10],
  };
  try {
    const crew: (Consumer | undefined)[] = Array.from({ length: slots }, () =>
      consumers.start(task),
    );
    await Promise.all(crew.map(async (consumer) => consumer?.ready));
    load.start(rate);
    await sleep(3_000);
    const fromMs = nowMs();
    const changes: Change[] = [];
    const ends: Promise<void>[] = [];
    while (nowMs() - fromMs < seconds * 1_000) {
      await sleep(between(random, 500, 4_000));
      const slot = between(random, 0, slots - 1);
      const consumer = crew[slot];
      const isKill = random() < 0.5;
      if (consumer === undefined) crew[slot] = consumers.start(task);
      else if (crew.filter((one) => one !== undefined).length > 1) {
        crew[slot] = undefined;
        ends.push(isKill ? consumer.kill9() : consumer.leave());
      } else continue;
      const what = consumer === undefined ? 'join' : isKill ? 'kill' : 'leave';
      changes.push({ what, atMs: nowMs() });
    }
    const toMs = nowMs();
    await load.stop();
    const isHandled = (): boolean => lost(load.published, consumers.sightings()).length === 0;
    const drained = await until(isHandled, drainWithinMs, 1_000);
    await Promise.all(ends);
    await Promise.all(crew.map(async (consumer) => consumer?.leave()));
    const left = await stage.left();
    const sightings = consumers.sightings();
    const dead = await stage.dead();
    const still = standstills(sightings, partitions, fromMs, toMs, stillMs);
    const report: FaultReport = {
      name: 'rebalance-storm',
      adapter: options.adapter,
      broker: `${broker.version}, ${partitions} partitions`,
      seed,
      figures: {
        'joins / leaves / kills': (['join', 'leave', 'kill'] as const)
          .map((what) => changes.filter((change) => change.what === what).length)
          .join(' / '),
        'published (stored / rejected / unknown)': `${load.stored} / ${load.rejected} / ${load.unknown}`,
        'handler runs': sightings.length,
        repeats: repeats(sightings).length,
        'repeats that were handled before': handledBefore(sightings),
        [`standstills over ${stillMs} ms: number, p50 / p95 / max ms`]: spread(still),
        ...afterEach(changes, still),
      },
      claims: [
        none('stored and never handled', lost(load.published, sightings)),
        equal('everything came in time', String(drained), 'true'),
        none('out of order', disorder(load.published, sightings, consumers.lives)),
        none(
          'repeats that D4 does not allow',
          unexplainedRepeats(sightings, consumers.lives, writtenWithinMs),
        ),
        none('repeats without a cause', causeless(sightings)),
        equal('lag at the end', left, 0),
        equal('dead letters', dead.size, 0),
      ],
    };
    return { report, sightings };
  } finally {
    await consumers.stop();
  }
}

function handledBefore(sightings: readonly Sighting[]): number {
  let count = 0;
  for (const sights of groupBy(sightings, ({ id }) => id).values())
    count += sights.filter(({ endedMs }) => endedMs !== undefined).length > 1 ? 1 : 0;
  return count;
}

function spread(still: readonly { readonly ms: number }[]): string {
  if (still.length === 0) return 'none';
  const times = still.map(({ ms }) => ms);
  const shown = [0.5, 0.95, 1].map((share) => quantile(times, share).toFixed(0));
  return `${still.length}, ${shown.join(' / ')}`;
}

/** Each standstill belongs to the last change before its end that came after its beginning, or just before it. */
function afterEach(
  changes: readonly Change[],
  still: ReturnType<typeof standstills>,
): Record<string, string> {
  const causes = groupBy(
    still,
    ({ fromMs, ms }) =>
      changes.find(({ atMs }) => atMs >= fromMs - 1_000 && atMs <= fromMs + ms)?.what ?? 'nothing',
  );
  return Object.fromEntries([...causes].map(([what, some]) => [`  about a ${what}`, spread(some)]));
}
