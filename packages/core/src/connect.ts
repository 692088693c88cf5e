import { adapterFor, isAdapter } from './adapters.ts';
import type { AdapterConfig } from './adapters.ts';
import type { Adapter, Bus, BusOptions } from './bus.ts';
import { busOptions, checkBusOptions } from './internal/check-bus-options.ts';
import { checkOptions } from './internal/check-options.ts';
import { createBus } from './runtime/create-bus.ts';

/** A broker: its address, an address with options for its adapter, or an adapter made by hand. */
export type Broker = string | AdapterConfig | Adapter;

/** What `connect` connects to, as plain configuration too: then options of the bus can be in it. */
export type ConnectTarget =
  | string
  | Adapter
  | (AdapterConfig & Partial<BusOptions>)
  | ({ readonly events?: Broker; readonly data?: Broker } & Partial<BusOptions>);

/**
 * Connects to a broker, or to one for events and one for data.
 * @example await using bus = await connect(process.env.BUS_URL, { source: '/shop/orders' })
 * @throws TypeError for wrong arguments
 * @throws BusError DUOBUS_NOT_FOUND when the package of the adapter is not installed, DUOBUS_UNAVAILABLE, DUOBUS_TIMEOUT,
 * DUOBUS_PERMISSION
 */
export async function connect(
  target: ConnectTarget | undefined,
  options: Partial<BusOptions> = {},
): Promise<Bus> {
  const { brokers, inner } = split(target);
  checkOptions('connect', options, busOptions);
  const merged: Partial<BusOptions> = { ...inner, ...options };
  checkBusOptions('connect', merged);
  return createBus(await adaptersOf(brokers), merged);
}

interface Brokers {
  readonly events?: Broker | undefined;
  readonly data?: Broker | undefined;
}

/** Which broker is for what, and the options of the bus that come with them. */
function split(target: unknown): { brokers: Brokers; inner: Partial<BusOptions> } {
  if (target === undefined || target === null || target === '') {
    throw new TypeError(
      `connect: no address of a broker (got ${target === '' ? 'an empty string' : String(target)}): set the environment variable or setting it comes from, e.g. BUS_URL=amqp://localhost, or pass 'memory:' to run without a broker`,
    );
  }
  if (typeof target === 'string' || isAdapter(target))
    return { brokers: { events: target, data: target }, inner: {} };
  if (typeof target !== 'object' || Array.isArray(target))
    throw new TypeError(`connect: ${expected}, got ${typeof target}`);
  if ('url' in target) {
    const { url, options, ...inner } = checkOptions('connect', target, [
      'url',
      'options',
      ...busOptions,
    ]);
    const broker = checkConfig('connect', { url, ...(options === undefined ? {} : { options }) });
    return { brokers: { events: broker, data: broker }, inner };
  }
  const { events, data, ...inner } = checkOptions('connect', target, [
    'events',
    'data',
    'url',
    ...busOptions,
  ]);
  if (events === undefined && data === undefined) throw new TypeError(`connect: ${expected}`);
  return {
    brokers: { events: checkBroker('events', events), data: checkBroker('data', data) },
    inner,
  };
}

const expected =
  'pass an address, { url, options }, { events, data } with one of these each, or an adapter';

function checkBroker(half: 'events' | 'data', broker: unknown): Broker | undefined {
  if (broker === undefined || isAdapter(broker)) return broker;
  if (typeof broker === 'string') return checkConfig(`connect: ${half}`, { url: broker }).url;
  if (typeof broker === 'object' && broker !== null) return checkConfig(`connect: ${half}`, broker);
  throw new TypeError(
    `connect: ${half} must be an address, { url, options } or an adapter, got ${broker === null ? 'null' : typeof broker}`,
  );
}

function checkConfig(call: string, config: object): AdapterConfig {
  const { url, options } = checkOptions(call, config, ['url', 'options']);
  if (typeof url !== 'string' || url === '') {
    throw new TypeError(
      `${call}: url must be the address of a broker, e.g. amqp://localhost, got ${url === '' ? 'an empty string' : typeof url}`,
    );
  }
  if (options === undefined) return { url };
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`${call}: options must be an object with the adapter's options`);
  }
  return { url, options: options as Record<string, unknown> };
}

/** One adapter where both halves are the same broker. */
async function adaptersOf(brokers: Brokers): Promise<{ events?: Adapter; data?: Adapter }> {
  const events = brokers.events === undefined ? undefined : await adapterOf(brokers.events);
  const shared = brokers.data === brokers.events ? events : undefined;
  const data = shared ?? (brokers.data === undefined ? undefined : await adapterOf(brokers.data));
  return { ...(events === undefined ? {} : { events }), ...(data === undefined ? {} : { data }) };
}

async function adapterOf(broker: Broker): Promise<Adapter> {
  if (isAdapter(broker)) return broker;
  return adapterFor(typeof broker === 'string' ? { url: broker } : broker);
}
