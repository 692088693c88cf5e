import { type Bus, connect, type Topic, topic } from '@duobus/core';
import { type Contender, type Handle, partitions, prefetch, type Setting } from '../contender.ts';
import type { BenchDocument } from '../document.ts';

const type = 'bench.order';

/** duobus as a user has it: default options but for what the setting asks for. */
export function duobusContender({ bus: kind, url, run }: Setting): Contender {
  const documents: Topic<BenchDocument> =
    kind === 'event'
      ? topic<BenchDocument>(`bench-${run}`, { type })
      : topic<BenchDocument>(`bench-${run}`, {
          type,
          partitions,
          key: (document) => document.customer,
        });
  let bus: Bus;
  return {
    async open() {
      bus = await connect(url, { source: '/bench' });
      if (kind === 'event')
        await (await bus.events.subscribe(documents, 'bench', () => undefined)).close();
      else await bus.data.topics.ensure(documents);
    },
    publish: (document) =>
      kind === 'event'
        ? bus.events.publish(documents, document)
        : bus.data.publish(documents, document),
    async consume(handle: Handle) {
      const handler = (document: BenchDocument): unknown => handle(document);
      const handle_ =
        kind === 'event'
          ? await bus.events.subscribe(documents, 'bench', handler, { prefetch })
          : await bus.data.subscribe(documents, 'bench', handler);
      return () => handle_.close();
    },
    close: () => bus.close(),
  };
}
