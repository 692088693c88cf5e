import { createHash } from 'node:crypto';
import { type AnyTopic, BusError, topic, type TopicOptions } from '@duobus/core';
import type { Envelope, MadeEnvelope } from '@duobus/core/envelopes';
import type { BusName, NewRow, OutboxRow } from './store.ts';

/** Of what is in `settings`. */
const version = 1;

/** The rows of one document: one for each bus it is for. */
export function rowsOf(
  buses: readonly BusName[],
  { name, options }: AnyTopic,
  { id, key, attributes, data }: MadeEnvelope,
): NewRow[] {
  const { order, partitions, retention } = options;
  const settings = JSON.stringify({ v: version, order, partitions, retention });
  const text = JSON.stringify(attributes);
  const bytes = data.length + Buffer.byteLength(text);
  return buses.map((bus) => {
    if (bus === 'event' && order === 'key' && key === undefined) {
      throw new TypeError(
        `publish to topic '${name}': it is ordered by key, so every document needs one: give the topic a key function, or the option key`,
      );
    }
    return {
      id,
      bus,
      topic: name,
      settings,
      lane: key === undefined ? undefined : laneOf(bus, name, key),
      attributes: text,
      data,
      bytes,
    };
  });
}

/** The documents of one key of one topic of one bus. A digest, as keys may be long; two keys in one lane do no harm. */
function laneOf(bus: BusName, name: string, key: string): string {
  return createHash('sha1').update(`${bus}/${name}/${key}`).digest('base64url').slice(0, 16);
}

/** @throws BusError DUOBUS_DECODE */
export function envelopeOf({ id, attributes, data }: OutboxRow): Envelope {
  return { attributes: parsed(id, 'attributes', attributes) as Envelope['attributes'], data };
}

/** Topics as rows name them; one object for each, by which core knows that it has compared it with what is stored. */
export class RowTopics {
  readonly #given: ReadonlyMap<string, AnyTopic>;
  readonly #known = new Map<string, AnyTopic>();

  /** @param given topics of the relay's user: what they say goes before what the rows say */
  constructor(given: readonly AnyTopic[]) {
    this.#given = new Map(given.map((one) => [one.name, one]));
  }

  /** @throws BusError DUOBUS_DECODE, TypeError for what is no topic */
  of({ id, topic: name, settings }: OutboxRow): AnyTopic {
    const given = this.#given.get(name);
    if (given !== undefined) return given;
    const known = this.#known.get(name + settings);
    if (known !== undefined) return known;
    const { v, ...options } = parsed(id, 'settings', settings);
    if (v !== version) {
      throw new BusError(
        'DUOBUS_DECODE',
        `outbox: document '${id}' was written by another version of @duobus/outbox (settings v${String(v)}): upgrade the relay, then retry it`,
        { outcome: 'rejected' },
      );
    }
    const made = topic(name, options as TopicOptions);
    // rows can name more topics than there are
    if (this.#known.size >= 1_000) this.#known.clear();
    this.#known.set(name + settings, made);
    return made;
  }
}

function parsed(id: string, what: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw unreadable(id, what, cause);
  }
  throw unreadable(id, what, undefined);
}

function unreadable(id: string, what: string, cause: unknown): BusError {
  return new BusError('DUOBUS_DECODE', `outbox: the ${what} of document '${id}' are not JSON`, {
    cause,
    outcome: 'rejected',
  });
}
