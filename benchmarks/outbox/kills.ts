import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@duobus/core';
import { between, seededRandom } from '../faults/random.ts';
import { type Appearance, judge, type Judgement } from './judge.ts';
import { Counts, openShop } from './shop.ts';

export interface KillsOptions {
  readonly shopUrl: string;
  readonly busUrl: string;
  readonly documents: number;
  readonly writers: number;
  readonly keys: number;
  readonly seed: number;
  /** What else is hurt meanwhile, one after the other, as a restart of the database. Each resolves when all is up again. */
  readonly faults?: readonly (() => Promise<unknown>)[];
}

export interface KillsReport extends Judgement {
  readonly kills: number;
  readonly stops: number;
  readonly ms: number;
}

const program = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Relays that are killed and stopped at random, while writers commit and roll back; then what the broker has is judged. */
export async function kills(options: KillsOptions): Promise<KillsReport> {
  const { shopUrl, busUrl, documents, writers: count, keys, seed, faults = [] } = options;
  const random = seededRandom(seed);
  const shop = openShop(shopUrl);
  const bus = await connect(busUrl, { source: '/judge' });
  const began = performance.now();
  const relays = new Relays(shopUrl, busUrl, random);
  try {
    await shop.prepare();
    await bus.data.topics.ensure(Counts);
    const writing = Promise.all(
      Array.from({ length: count }, async (_, at) => {
        const args = [shopUrl, documents / count, keys, seed + at + 1].map(String);
        const [code] = (await once(fork(program('writer.ts'), args), 'exit')) as [number];
        if (code !== 0) throw new Error(`a writer ended with ${code}`);
      }),
    );
    const writers = { done: false };
    const end = (): void => {
      writers.done = true;
    };
    writing.then(end, end);
    await relays.start(2);
    for (const fault of faults) {
      await relays.hurtOne();
      await fault();
    }
    while (!writers.done || (await shop.outbox.lag()).rows > 0) await relays.hurtOne();
    await writing;
    const seen: Appearance[] = [];
    for await (const entry of bus.data.read(Counts)) {
      if (entry.error !== undefined) throw entry.error;
      const { partition, document, attributes } = entry;
      seen.push({ partition, id: attributes.id, document });
    }
    const { kills: killed, stops } = relays;
    const ms = Math.round(performance.now() - began);
    return { ...judge(await shop.truth(), seen), kills: killed, stops, ms };
  } finally {
    await relays.end();
    await bus.close();
    await shop.close();
  }
}

/** Relays in processes of their own; their clocks disagree by hours. */
class Relays {
  readonly #args: readonly string[];
  readonly #random: () => number;
  readonly #alive: ChildProcess[] = [];
  kills = 0;
  stops = 0;

  constructor(shopUrl: string, busUrl: string, random: () => number) {
    this.#args = [shopUrl, busUrl];
    this.#random = random;
  }

  async start(count: number): Promise<void> {
    for (let at = 0; at < count; at += 1) {
      const skewMs = between(this.#random, -12, 12) * 3_600_000;
      const child = fork(program('relay-process.ts'), [...this.#args, String(skewMs)]);
      this.#alive.push(child);
      const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [
        unknown,
      ];
      if (message !== 'ready') throw new Error(`a relay did not start: ${String(message)}`);
    }
  }

  /** Lets one work for a while, then kills it, or stops it for longer than its lease. */
  async hurtOne(): Promise<void> {
    await sleep(between(this.#random, 20, 500));
    const place = between(this.#random, 0, this.#alive.length - 1);
    const child = this.#alive[place] as ChildProcess;
    if (this.#random() < 0.3) {
      this.stops += 1;
      child.kill('SIGSTOP');
      await sleep(between(this.#random, 500, 2_500));
      child.kill('SIGCONT');
      return;
    }
    this.kills += 1;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    this.#alive.splice(place, 1);
    await this.start(1);
  }

  async end(): Promise<void> {
    await Promise.all(
      this.#alive.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
  }
}
