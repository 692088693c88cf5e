import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type AlterOptions,
  type BackoffOptions,
  batch,
  type BatchOptions,
  type Bus,
  type BusOptions,
  type CloseOptions,
  connect,
  type DeadLetterFilter,
  idempotent,
  type IdempotentOptions,
  memoryStore,
  type MemoryStoreOptions,
  type PublishBufferOptions,
  type PublishOptions,
  type ReadOptions,
  type RemoveOptions,
  type ResetOptions,
  type Retention,
  type SubscribeDataOptions,
  type SubscribeEventsOptions,
  topic,
  type TopicOptions,
  type TopicTypeOptions,
  type WaitOptions,
} from '../src/index.ts';
import { testBus } from '../src/testing.ts';
import type { DeliverOptions } from '../src/testing/deliver.ts';
import type { TestBusOptions } from '../src/testing/test-bus.ts';

const orders = topic<number>('orders');
const source = '/test';
const handler = (): undefined => undefined;
const store = memoryStore();
let bus: Bus;

/** An option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
type Slips<Options> = Readonly<
  Record<keyof Required<Options>, readonly [misspelt: string, wrong: unknown]>
>;

interface Case<Options> {
  readonly call: (options: never) => unknown;
  readonly slips: Slips<Options>;
}

const of = <Options>(call: Case<Options>['call'], slips: Slips<Options>): Case<Options> => ({
  call,
  slips,
});

const busSlips: Slips<BusOptions> = {
  source: ['sorce', 7],
  topology: ['topologi', 'none'],
  publishTimeoutMs: ['publishTimeout', '1000'],
  publishBuffer: ['publishBufer', '10'],
  settleIntervalMs: ['settleInterval', '50'],
  stuckAfterMs: ['stuckAfter', '50'],
  neglectedAfterMs: ['neglectedAfter', '50'],
  graceMs: ['grace', '50'],
  connectTimeoutMs: ['connectTimeout', '50'],
  maxClockSkewMs: ['maxClockSkew', '50'],
  store: ['stores', 'memory'],
  instrument: ['instruments', { event: 'log' }],
};

const consumeSlips: Slips<SubscribeEventsOptions> = {
  concurrency: ['concurency', '16'],
  prefetch: ['preFetch', '16'],
  maxAttempts: ['maxAttempt', '8'],
  maxCrashes: ['maxCrash', '3'],
  backoff: ['backOff', '100'],
  handlerTimeoutMs: ['handlerTimeout', '1000'],
  brakeAfter: ['breakAfter', '20'],
  brakeMs: ['breakMs', '20'],
  graceMs: ['grace', '20'],
  maxAhead: ['maxahead', '20'],
  signal: ['signals', '20'],
};

const subscribe = (options: never): unknown =>
  bus.events.subscribe(orders, 'never', handler, options);

const cases: Readonly<Record<string, Case<object>>> = {
  connect: of<BusOptions>(
    (options: object) => connect('memory:', { source, ...options }),
    busSlips,
  ),
  'connect, as plain configuration': of<BusOptions>(
    (options: object) => connect({ url: 'memory:', source, ...options } as never),
    busSlips,
  ),
  'connect, two brokers': of<BusOptions>(
    (options: object) => connect({ events: 'memory:', source, ...options } as never),
    busSlips,
  ),
  'connect: a broker': of<{ url: string; options: object }>(
    (options: object) => connect({ events: { url: 'memory:', ...options } } as never, { source }),
    { url: ['ulr', 7], options: ['option', 'prefetch=1'] },
  ),
  'connect: publishBuffer': of<PublishBufferOptions>(
    (publishBuffer) => connect('memory:', { source, publishBuffer }),
    { documents: ['document', '10'], bytes: ['byte', '10'] },
  ),
  topic: of<TopicOptions & TopicTypeOptions>((options) => topic('t', options), {
    key: ['keys', 'orderId'],
    order: ['ordr', 'fifo'],
    partitions: ['partition', '4'],
    retention: ['retention_', '7d'],
    maxBytes: ['maxBytez', '1024'],
    codec: ['codecs', 'json'],
    unknownType: ['unknownTypes', 'ignore'],
    dataschema: ['dataSchema', 7],
    schema: ['shema', {}],
    type: ['typ', 7],
    types: ['typess', []],
  }),
  'topic: retention': of<Retention>((retention) => topic('t', { retention }), {
    maxAgeMs: ['maxAge', '1000'],
    maxBytes: ['maxByte', '1000'],
  }),
  publish: of<PublishOptions>((options) => bus.events.publish(orders, 1, options), {
    id: ['ids', 7],
    type: ['typ', 7],
    subject: ['subjekt', 7],
    time: ['tme', 'yesterday'],
    key: ['keys', 7],
    correlationId: ['correlationID', 7],
    causationId: ['causationID', 7],
    cause: ['causes', 'a delivery'],
    extensions: ['extension', 'a=b'],
    signal: ['signals', 'now'],
  }),
  publishMany: of<Pick<PublishOptions, 'signal' | 'cause'>>(
    (options) => bus.data.publishMany(orders, [], options),
    { signal: ['signals', 'now'], cause: ['causes', 'a delivery'] },
  ),
  'subscribe, event bus': of<SubscribeEventsOptions>(subscribe, consumeSlips),
  'subscribe, data bus': of<SubscribeDataOptions>(
    (options) => bus.data.subscribe(orders, 'never', handler, options),
    {
      ...consumeSlips,
      from: ['form', 'begin'],
      onLost: ['onlost', 'ignore'],
      onPoison: ['onPoisson', 'ignore'],
      commitIntervalMs: ['commitInterval', '1000'],
    },
  ),
  'subscribe: backoff': of<BackoffOptions>((backoff) => subscribe({ backoff } as never), {
    firstMs: ['first', '100'],
    factor: ['faktor', '3'],
    maxMs: ['max', '100'],
  }),
  batch: of<BatchOptions>((options) => batch(handler, options), {
    size: ['sise', '100'],
    waitMs: ['wait', '20'],
  }),
  idempotent: of<IdempotentOptions>(
    (options: object) => idempotent(handler, { store, scope: 's', ...options }),
    { store: ['stores', {}], scope: ['scop', 7], leaseMs: ['lease', '1000'] },
  ),
  memoryStore: of<MemoryStoreOptions>((options) => memoryStore(options), {
    keepsForMs: ['keepForMs', '1000'],
    maxEntries: ['maxEntry', '1000'],
    clock: ['clocks', {}],
  }),
  'topics.alter': of<AlterOptions>((options) => bus.events.topics.alter(orders, options), {
    partitions: ['partition', '4'],
    retention: ['retention_', '7d'],
  }),
  unsubscribe: of<RemoveOptions>((options) => bus.events.unsubscribe(orders, 's', options), {
    discard: ['discart', 'true'],
  }),
  remove: of<RemoveOptions>((options) => bus.data.remove(orders, 'g', options), {
    discard: ['discart', 'true'],
  }),
  reset: of<ResetOptions>((options) => bus.data.reset(orders, 'g', 'earliest', options), {
    dryRun: ['dryrun', 'true'],
    graceMs: ['grace', '20'],
    signal: ['signals', 'now'],
  }),
  'reset: to': of<{ time: number; positions: object }>((to) => bus.data.reset(orders, 'g', to), {
    time: ['tiem', 'yesterday'],
    positions: ['position', 'v1'],
  }),
  waitFor: of<WaitOptions>((options) => bus.data.waitFor(orders, 'g', {} as never, options), {
    timeoutMs: ['timeout', '5000'],
    signal: ['signals', 'now'],
  }),
  read: of<ReadOptions>(
    (options) => bus.data.read(orders, options)[Symbol.asyncIterator]().next(),
    {
      from: ['form', 'begin'],
      to: ['too', 'end'],
      partition: ['partitions', '0'],
      limit: ['limits', '5'],
      signal: ['signals', 'now'],
    },
  ),
  'dead letters, event bus': of<DeadLetterFilter>(
    (filter) => bus.events.deadLetters(orders, 's').redrive(filter),
    {
      identities: ['identity', 'a'],
      reason: ['reasons', 'bored'],
      where: ['were', 'all'],
    },
  ),
  'dead letters, data bus': of<DeadLetterFilter>(
    (filter) => bus.data.deadLetters(orders, 'g').purge(filter),
    {
      identities: ['identity', 'a'],
      reason: ['reasons', 'bored'],
      where: ['were', 'all'],
    },
  ),
  close: of<CloseOptions>((options) => bus.close(options), { graceMs: ['grace', '20'] }),
  testBus: of<TestBusOptions>(async (options) => (await testBus(options)).close(), {
    ...busSlips,
    clock: ['clocks', {}],
  }),
  deliver: of<DeliverOptions>(
    async (options) => {
      await using unit = await testBus();
      await unit.deliver(handler, 1, options);
    },
    {
      topic: ['topics', 'orders'],
      attempt: ['attempts', '3'],
      name: ['names', 7],
      bus: ['buss', 'events'],
      why: ['whys', 'because'],
      position: ['positions', 7],
      signal: ['signals', 'now'],
      id: ['ids', 7],
      type: ['typ', 7],
      subject: ['subjekt', 7],
      time: ['tme', 'yesterday'],
      key: ['keys', 7],
      correlationId: ['correlationID', 7],
      causationId: ['causationID', 7],
      extensions: ['extension', 'a=b'],
    },
  ),
};

describe('options', () => {
  before(async () => {
    bus = await connect('memory:', { source });
    await bus.events.subscribe(orders, 's', handler);
    await bus.data.subscribe(orders, 'g', handler);
  });
  after(() => bus.close());

  for (const [name, { call, slips }] of Object.entries(cases)) {
    const refused = (options: unknown, says: RegExp): Promise<void> =>
      assert.rejects(async () => call(options as never), { name: 'TypeError', message: says });

    for (const [option, [misspelt, wrong]] of Object.entries(
      slips as Record<string, readonly [string, unknown]>,
    ))
      it(`of ${name}: ${misspelt} is not ${option}, and not any value will do`, async () => {
        await refused({ [misspelt]: undefined }, new RegExp(`'${misspelt}'.*'${option}'`));
        await refused({ [option]: wrong }, new RegExp(option));
      });

    it(`of ${name} are an object`, () => refused('x', /./));
  }
});
