import { connect } from '@duobus/core';
import { startRelay } from '@duobus/outbox';
import { Counts, openShop } from './shop.ts';

export interface SpeedOptions {
  readonly shopUrl: string;
  readonly busUrl: string;
  readonly documents: number;
  readonly rounds: number;
}

export interface SpeedReport {
  readonly documents: number;
  /** Documents per second of each round: committed rows until they are published and deleted. */
  readonly relayed: readonly number[];
  /** The same documents on the same bus, without an outbox. */
  readonly published: readonly number[];
}

const keys = 1_000;

/** Relaying and plain publishing take turns in every round. */
export async function speed(options: SpeedOptions): Promise<SpeedReport> {
  const { shopUrl, busUrl, documents, rounds } = options;
  const shop = openShop(shopUrl);
  const bus = await connect(busUrl, { source: '/bench' });
  try {
    await shop.prepare();
    await bus.data.topics.ensure(Counts);
    const relayed: number[] = [];
    const published: number[] = [];
    const counts = Array.from({ length: documents }, (_, n) => ({
      key: `k${n % keys}`,
      n,
      token: 'x'.repeat(900),
    }));
    for (let round = 0; round <= rounds; round += 1) {
      await shop.fill(counts);
      const relay = async (): Promise<void> => {
        let left = documents;
        let all!: () => void;
        const done = new Promise<void>((resolve) => {
          all = resolve;
        });
        const running = await startRelay(shop.outbox, bus, {
          onEvent: (event) => {
            if (event.type === 'published' && (left -= event.count) === 0) all();
          },
        });
        await done;
        await running.close();
      };
      const plainly = async (): Promise<void> => {
        const results = await bus.data.publishMany(Counts, counts);
        const failed = results.find(({ status }) => status === 'rejected');
        if (failed !== undefined) throw new Error('a publish failed', { cause: failed });
      };
      const figures = [await perSecond(documents, relay), await perSecond(documents, plainly)];
      // the first round warms up
      if (round === 0) continue;
      relayed.push(figures[0] ?? 0);
      published.push(figures[1] ?? 0);
    }
    return { documents, relayed, published };
  } finally {
    await bus.close();
    await shop.close();
  }
}

async function perSecond(documents: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return Math.round((documents / (performance.now() - began)) * 1_000);
}
