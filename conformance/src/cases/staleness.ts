import type { Case } from '../case.ts';
import { latencyOf } from '../latency.ts';
import type { Kind } from '../protocol.ts';

const count = 200;
/** The first find nothing ready yet: connections, code, the topic itself. */
const warmUp = 10;
/** A slow broker is measured by fewer documents, not for longer. */
const budgetMs = 15_000;
const least = 20;

/** Figures for the report. They decide nothing: a slow adapter passes. */
function staleness(kind: Kind): Case {
  return {
    name: `staleness.${kind}`,
    promises: 'What is published reaches a consumer that waits for it; the report says how soon.',
    causes:
      'A member that waits is not woken by what comes in: it looks too seldom, or only once after it was started.',
    rules: kind === 'event' ? ['E1'] : ['D11'],
    needs: [kind],
    alone: () => true,
    async run(context) {
      const topic = context.topic();
      const handledAt = new Map<number, number>();
      await context.consume(kind, topic, 'work', {
        handler: ({ n }) => void handledAt.set(n, performance.now()),
      });
      const times: number[] = [];
      const enough = performance.now() + budgetMs * context.slow;
      for (let n = 1; n <= warmUp + count; n += 1) {
        if (times.length >= least && performance.now() > enough) break;
        const published = performance.now();
        await context.publish(kind, topic, [{ n, key: `k${n}` }]);
        await context.until(`document ${n} is handled`, () => handledAt.has(n));
        if (n > warmUp) times.push((handledAt.get(n) as number) - published);
      }
      await context.drain(kind, topic, 'work');
      context.staleness = { [kind]: latencyOf(times) };
    },
  };
}

export const cases: readonly Case[] = [staleness('event'), staleness('data')];
