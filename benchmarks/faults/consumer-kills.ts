import { setTimeout as sleep } from 'node:timers/promises';
import { Consumers, type WorkerTask } from './consumers.ts';
import type { FaultOptions } from './fault-options.ts';
import { equal, type FaultReport, none } from './fault-report.ts';
import { groupBy } from './group-by.ts';
import { causeless, disorder, lost, repeats } from './predicates.ts';
import { between, seededRandom } from './random.ts';
import { nowMs, type Sighting } from './sighting.ts';
import { openStage, subscriber } from './stage.ts';
import { until } from './until.ts';

/** Suspects are handled one at a time: what is to be seen is that none is lost, not how fast they come. */
const documents = 20_000;
const drainWithinMs = 300_000;

/** One consumer process after the other is killed in mid-handling. */
export async function consumerKills(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  const { order, prefetch, seed, rate, kills } = options;
  const random = seededRandom(seed);
  await using stage = await openStage(options, 6);
  const { load, broker, setting } = stage;
  const consumers = new Consumers();
  try {
    await stage.prepare();
    const task: WorkerTask = {
      url: broker.url,
      setting,
      name: subscriber,
      prefetch,
      concurrency: 16,
      handlerMs: [5, 20],
    };
    load.start(rate, documents);
    const beganMs = nowMs();
    let held = 0;
    for (let n = 0; n < kills; n += 1) {
      const consumer = consumers.start(task);
      await consumer.ready;
      const { process } = consumer.life;
      const isHandling = (): boolean => consumers.sightingsOf(consumer).length > 0;
      if (!(await until(isHandling, 30_000, 50)))
        throw new Error(`${process} has been handed nothing within 30 s`);
      await sleep(between(random, 100, 1_500));
      await consumer.kill9();
      held += consumers.sightingsOf(consumer).filter(({ endedMs }) => endedMs === undefined).length;
    }
    await load.stop();
    const stormSeconds = (nowMs() - beganMs) / 1_000;
    const last = consumers.start(task);
    const isDone = async (): Promise<boolean> =>
      (await stage.left()) === 0 && lost(load.published, consumers.sightings()).length === 0;
    const drained = await until(isDone, drainWithinMs, 1_000);
    await last.leave();
    const left = await stage.left();
    const sightings = consumers.sightings();
    const dead = await stage.dead();
    const again = repeats(sightings);
    const ordered = order === 'key';
    const report: FaultReport = {
      name: 'consumer-kills',
      adapter: options.adapter,
      broker: `${broker.version}, ${ordered ? 'order by key' : 'no order'}, prefetch ${prefetch}`,
      seed,
      figures: {
        'kills with -9': kills,
        'storm, s': stormSeconds.toFixed(1),
        'published (stored / rejected / unknown)': `${load.stored} / ${load.rejected} / ${load.unknown}`,
        'handler runs': sightings.length,
        'killed in mid-handling (documents)': held,
        'repeats (handled before the kill, not settled)': `${again.length} (${again.length - held})`,
        'largest number of sights of one document': mostSights(sightings),
      },
      claims: [
        none('stored and lost', lost(load.published, sightings)),
        equal('everything came in time', String(drained), 'true'),
        none('repeats without a cause', causeless(sightings)),
        ...(ordered
          ? [none('out of order', disorder(load.published, sightings, consumers.lives))]
          : []),
        none(
          'dead letters',
          [...dead].map(([id, what]) => ({ id, what })),
        ),
        equal('not settled at the end', left, 0),
      ],
    };
    return { report, sightings };
  } finally {
    await consumers.stop();
  }
}

function mostSights(sightings: readonly Sighting[]): number {
  const counts = groupBy(sightings, ({ id }) => id).values();
  return Math.max(0, ...[...counts].map((sights) => sights.length));
}
