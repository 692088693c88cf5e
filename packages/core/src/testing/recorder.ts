import type { Adapter } from '../bus.ts';
import { json } from '../codec.ts';
import { decodeAttributes } from '../decode.ts';
import type { Binding } from '../binding.ts';
import type { OutboundRecord, Outcome, StoredTopic } from '../driver.ts';
import type { Attributes } from '../envelope.ts';
import { intercept } from '../internal/intercept.ts';
import type { AnyTopic, Topic } from '../topic.ts';

/** A document that the broker has stored. */
export interface PublishedDocument<In = unknown> {
  readonly bus: 'event' | 'data';
  readonly document: In;
  readonly attributes: Attributes;
  readonly key: string | undefined;
}

interface Stored {
  readonly bus: 'event' | 'data';
  readonly topic: string;
  readonly record: OutboundRecord;
  readonly binding: Binding;
}

/** Takes down what is stored through an adapter, in the order in which it was confirmed. */
export class Recorder {
  readonly #stored: Stored[] = [];

  /** The adapter, recorded. */
  attach(adapter: Adapter): Adapter {
    const { queue, log } = adapter;
    return {
      ...adapter,
      ...(queue === undefined
        ? {}
        : {
            queue: intercept(queue, {
              publish: async (topic, partition, records, signal) =>
                this.#note(
                  'event',
                  topic,
                  records,
                  queue.binding,
                  await queue.publish(topic, partition, records, signal),
                ),
            }),
          }),
      ...(log === undefined
        ? {}
        : {
            log: intercept(log, {
              append: async (topic, partition, records, signal) =>
                this.#note(
                  'data',
                  topic,
                  records,
                  log.binding,
                  await log.append(topic, partition, records, signal),
                ),
            }),
          }),
    };
  }

  /** How many documents are stored, whatever their topic. */
  get count(): number {
    return this.#stored.length;
  }

  of<In>(topic: Topic<In, unknown>): readonly PublishedDocument<In>[] {
    return this.#stored
      .filter((one) => one.topic === topic.name)
      .map((one) => read<In>(one, topic));
  }

  #note(
    bus: 'event' | 'data',
    topic: StoredTopic,
    records: readonly OutboundRecord[],
    binding: Binding,
    outcomes: readonly Outcome[],
  ): readonly Outcome[] {
    for (const [index, record] of records.entries()) {
      if (outcomes[index]?.status === 'stored')
        this.#stored.push({ bus, topic: topic.name, record, binding });
    }
    return outcomes;
  }
}

function read<In>({ bus, record, binding }: Stored, topic: AnyTopic): PublishedDocument<In> {
  const { attributes, data, key } = decodeAttributes(record, binding);
  const document = (topic.options.codec ?? json).decode(data, attributes['datacontenttype']) as In;
  return { bus, document, attributes, key };
}
