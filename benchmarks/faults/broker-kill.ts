import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultOptions } from './fault-options.ts';
import { atMost, equal, type FaultReport, none } from './fault-report.ts';
import { countByCause, Members } from './members.ts';
import { causeless, disorder, lost, repeats } from './predicates.ts';
import { between, seededRandom } from './random.ts';
import { nowMs, type Sighting } from './sighting.ts';
import { openStage } from './stage.ts';
import { until } from './until.ts';
import { backAfter, longestGap, reachOf, type Wound } from './wound.ts';

const faults = ['restart', 'kill -9', 'kill -9'] as const;
const consumers = 2;
const backWithinMs = 60_000;

/** Publishers and consumers of one process while their broker is restarted and killed. */
export async function brokerKill(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  const random = seededRandom(options.seed);
  await using stage = await openStage(options, 6);
  await using members = new Members();
  const { sightings, breaksMs } = members;
  for (let n = 1; n <= consumers; n += 1) await members.join(stage, options);
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
  const left = await stage.settled();
  const dead = await stage.dead();
  const again = repeats(sightings);
  const handledMs = sightings.map(({ beganMs }) => beganMs);
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
      'repeats by cause': countByCause(again),
      'reconnects per consumer': members.reconnects.join(', '),
      ...Object.fromEntries(
        wounds.map((wound, at) => [
          `${at + 1}. ${wound.fault}: broker away / no handling / no confirm, ms`,
          [
            Math.round(wound.upMs - wound.fromMs),
            ...[handledMs, load.storedAtMs].map((times) =>
              longestGap(wound, times, reachOf(wounds, at)),
            ),
          ].join(' / '),
        ]),
      ),
      ...(load.errors.length === 0 ? {} : { 'first failed publishes': load.errors[0] ?? '' }),
    },
    claims: [
      none('stored and lost', lost(load.published, sightings)),
      equal('everything came in time', String(isAllHandled), 'true'),
      none('repeats without a cause', causeless(sightings)),
      ...(ordered ? [none('out of order', disorder(load.published, sightings, [], breaksMs))] : []),
      equal('not settled at the end', left, 0),
      equal('dead letters', dead.size, 0),
      equal('healthy again', await members.healthy(), consumers),
      atMost(
        'away for consumers after the broker answered, ms',
        Math.max(...wounds.map(({ upMs }) => backAfter(upMs, sightings))),
        backWithinMs / 2,
      ),
    ],
  };
  return { report, sightings };
}
