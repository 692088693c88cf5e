import type { Redis } from 'ioredis';

const mostAtOnce = 500;
const mostUnderWay = 2;

interface Waiting {
  readonly stream: string;
  readonly fields: readonly string[];
  resolve(id: string): void;
  reject(error: unknown): void;
}

/** Adds to streams in pipelines: what comes while two are under way goes with the next. */
export class PipelinedAdder {
  readonly #client: Redis;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(client: Redis) {
    this.#client = client;
  }

  add(stream: string, fields: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ stream, fields, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    this.#scheduled = false;
    while (this.#underWay < mostUnderWay && this.#waiting.length > 0)
      void this.#send(this.#waiting.splice(0, mostAtOnce));
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#underWay += 1;
    const pipeline = this.#client.pipeline();
    for (const { stream, fields } of batch) pipeline.xadd(stream, '*', ...fields);
    try {
      const results = (await pipeline.exec()) ?? [];
      for (const [at, { resolve, reject }] of batch.entries()) {
        const [error, id] = results[at] ?? [new Error('no reply')];
        if (error === null) resolve(id as string);
        else reject(error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    this.#underWay -= 1;
    this.#flush();
  }
}
