import { Consumers, type WorkerTask } from './consumers.ts';
import type { FaultOptions } from './fault-options.ts';
import { equal, type FaultReport, none } from './fault-report.ts';
import { causeless, lost, repeats } from './predicates.ts';
import { nowMs, type Sighting } from './sighting.ts';
import { openStage, subscriber } from './stage.ts';
import { until } from './until.ts';

const documents = 2_000;
const poisonAt = 700;
const maxDeaths = 12;
const withinMs = 240_000;

/** A document whose handler kills its process; whoever supervises it starts it again every time. */
export async function crashDocument(
  options: FaultOptions,
): Promise<{ report: FaultReport; sightings: readonly Sighting[] }> {
  await using stage = await openStage(options, 6);
  const { load, broker, setting } = stage;
  const consumers = new Consumers();
  try {
    await stage.prepare();
    for (let n = 0; n < documents; n += 1) void load.publish(n === poisonAt);
    await load.stop();
    const poison = load.published[poisonAt]?.id ?? '';
    const good = load.published.filter(({ id }) => id !== poison);
    const task: WorkerTask = {
      url: broker.url,
      setting,
      name: subscriber,
      prefetch: options.prefetch,
      concurrency: 16,
      handlerMs: [5, 20],
    };
    const beganMs = nowMs();
    const isDone = async (): Promise<boolean> =>
      lost(good, consumers.sightings()).length === 0 && (await stage.left()) === 0;
    let deaths = 0;
    let consumer = consumers.start(task);
    const done = await until(
      async () => {
        if (consumer.isGone() && deaths < maxDeaths) {
          deaths += 1;
          consumer = consumers.start(task);
        }
        return deaths >= maxDeaths || (await isDone());
      },
      withinMs,
      250,
    );
    await consumer.leave();
    const seconds = (nowMs() - beganMs) / 1_000;
    const sightings = consumers.sightings();
    const dead = await stage.dead();
    const report: FaultReport = {
      name: 'crash-document',
      adapter: options.adapter,
      broker: `${broker.version}, ${options.order === 'key' ? 'order by key' : 'no order'}`,
      seed: options.seed,
      figures: {
        'documents, one of them kills': load.stored,
        'deaths of the process': deaths,
        'until all was settled, s': seconds.toFixed(1),
        'handler runs': sightings.length,
        'repeats of others': repeats(sightings).filter(({ id }) => id !== poison).length,
        'dead letter': dead.get(poison) ?? 'none',
      },
      claims: [
        none('good documents lost', lost(good, sightings)),
        equal('everything was settled in time', String(done), 'true'),
        none('repeats without a cause', causeless(sightings)),
        equal(
          'reason of its dead letter',
          (dead.get(poison) ?? 'none').split(':')[0] ?? '',
          'crash',
        ),
        equal('dead letters', dead.size, 1),
        equal('deaths beyond the first and maxCrashes', Math.max(0, deaths - 4), 0),
      ],
    };
    return { report, sightings };
  } finally {
    await consumers.stop();
  }
}
