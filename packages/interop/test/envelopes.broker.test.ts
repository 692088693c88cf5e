import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { adapterNames, type BrokerKind, isLeftOut, testUrl } from '@duobus/brokers';
import { type Attributes, type Bus, connect, type Delivery, topic, type Topic } from '@duobus/core';
import { type Envelope, envelopes } from './support/envelopes.ts';

/** What was read of a document. */
interface Read {
  readonly body: Uint8Array;
  readonly attributes: Attributes;
  readonly key: string | undefined;
}

/** One half of one adapter. */
interface End {
  readonly name: string;
  readonly half: Bus['events'] | Bus['data'];
}

const run = crypto.randomUUID().slice(0, 8);
const source = '/interop';
const kinds = (Object.keys(adapterNames) as BrokerKind[]).filter(
  (kind) => adapterNames[kind] !== undefined && !isLeftOut(kind),
);
const adapters: ReadonlyMap<string, () => string> = new Map([
  ['memory', () => `memory://interop-${run}`],
  ...kinds.map((kind) => [String(adapterNames[kind]), () => testUrl(kind)] as const),
]);
const names = [...adapters.keys()].flatMap((adapter) => [`${adapter} events`, `${adapter} data`]);

/** A topic for each way to write bytes: what they are is said by its codec. */
const contentTypes = [...new Set(envelopes.map(({ codec }) => codec.contentType))];

function topicOf({ codec }: Pick<Envelope, 'codec'>, leg: string): Topic<Uint8Array> {
  const at = contentTypes.indexOf(codec.contentType);
  return topic<Uint8Array>(`interop-${leg}-${at}-${run}`, { codec, partitions: 1 });
}

/** Publishes on an end, and collects what is read there. */
class Leg {
  readonly #end: End;
  readonly #leg: string;
  readonly read = new Map<string, Read>();
  #expected = 0;
  #complete: () => void = () => undefined;

  constructor(end: End, leg: string) {
    this.#end = end;
    this.#leg = leg;
  }

  async open(): Promise<void> {
    const codecs = new Map(envelopes.map(({ codec }) => [codec.contentType, codec]));
    await Promise.all(
      [...codecs.values()].map((codec) =>
        this.#end.half.subscribe(
          topicOf({ codec }, this.#leg),
          'reader',
          (body: Uint8Array, { id, attributes, key }: Delivery) => {
            this.read.set(id, { body, attributes, key });
            if (this.read.size === this.#expected) this.#complete();
          },
        ),
      ),
    );
  }

  async write(envelope: Envelope, id: string): Promise<void> {
    const { body, key, options } = envelope;
    await this.#end.half.publish(topicOf(envelope, this.#leg), body, {
      id,
      ...options,
      ...(key === undefined ? {} : { key }),
    });
  }

  /** Until so many were read. */
  async until(count: number): Promise<void> {
    this.#expected = count;
    if (this.read.size >= count) return;
    const { promise, cancel } = late(`${this.#end.name} has read less than ${count} documents`);
    const complete = new Promise<void>((resolve) => (this.#complete = resolve));
    await Promise.race([complete, promise]).finally(cancel);
  }
}

function late(what: string): { readonly promise: Promise<never>; readonly cancel: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(what)), 120_000);
  });
  return { promise, cancel: () => clearTimeout(timer) };
}

/** What was read, to be written elsewhere. */
function again({ codec, name }: Envelope, { body, attributes, key }: Read): Envelope {
  const {
    specversion: _v,
    id: _i,
    source: _s,
    datacontenttype: _d,
    partitionkey: _k,
    type,
    subject,
    time,
    correlationid,
    causationid,
    ...extensions
  } = attributes as Partial<Attributes>;
  const options = {
    type,
    subject,
    time,
    correlationId: correlationid,
    causationId: causationid,
    extensions,
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    name,
    codec,
    body,
    ...(key === undefined ? {} : { key }),
    options: Object.fromEntries(given),
  };
}

describe('an envelope that is written through one adapter and read through another', () => {
  const buses: Bus[] = [];
  const first = new Map<string, Leg>();
  const second = new Map<string, Leg>();

  before(async () => {
    await Promise.all(
      [...adapters].map(async ([adapter, url]) => {
        const bus = await connect(url(), { source });
        buses.push(bus);
        for (const half of ['events', 'data'] as const) {
          const end = { name: `${adapter} ${half}`, half: bus[half] };
          const legs = [new Leg(end, 'first'), new Leg(end, 'second')] as const;
          first.set(end.name, legs[0]);
          second.set(end.name, legs[1]);
          await Promise.all(legs.map((leg) => leg.open()));
        }
      }),
    );
    // through one ...
    await Promise.all(
      [...first].map(async ([name, leg]) => {
        for (const [n, envelope] of envelopes.entries()) await leg.write(envelope, `${name}/${n}`);
        await leg.until(envelopes.length);
      }),
    );
    // ... and all that was read there through every other
    await Promise.all(
      [...second.values()].map(async (leg) => {
        for (const [from, { read }] of first)
          for (const [n, envelope] of envelopes.entries()) {
            const id = `${from}/${n}`;
            await leg.write(again(envelope, read.get(id) as Read), id);
          }
        await leg.until(names.length * envelopes.length);
      }),
    );
  });
  after(() => Promise.all(buses.map((bus) => bus.close())));

  for (const from of names)
    for (const to of names)
      it(`is the same, from ${from} to ${to}`, () => {
        for (const [n, { name, codec, body, key, options = {} }] of envelopes.entries()) {
          const id = `${from}/${n}`;
          const written = first.get(from)?.read.get(id);
          const read = second.get(to)?.read.get(id);
          assert.ok(written !== undefined && read !== undefined, name);
          assert.deepEqual(read, written, name);
          assert.deepEqual(Buffer.from(read.body), Buffer.from(body), name);
          const { extensions, correlationId = id, causationId, ...known } = options;
          const expected = {
            specversion: '1.0',
            id,
            source,
            type: topicOf({ codec }, 'first').name,
            time: written.attributes['time'],
            datacontenttype: codec.contentType,
            correlationid: correlationId,
            ...(causationId === undefined ? {} : { causationid: causationId }),
            ...(key === undefined ? {} : { partitionkey: key }),
            ...known,
            ...extensions,
          };
          assert.deepEqual(read.attributes, expected, name);
          assert.equal(read.key, key, name);
        }
      });
});
