import { parseArgs } from 'node:util';

export const faults = [
  'broker-kill',
  'consumer-kills',
  'crash-document',
  'leader-kill',
  'rebalance-storm',
] as const;
export type FaultName = (typeof faults)[number];

const adapters = ['rabbitmq', 'kafka', 'redis-streams'] as const;
type FaultAdapter = (typeof adapters)[number];

export interface FaultOptions {
  readonly name: FaultName;
  readonly adapter: FaultAdapter;
  readonly bus: 'event' | 'data';
  readonly order: 'none' | 'key';
  readonly seed: number;
  readonly rate: number;
  readonly seconds: number;
  readonly kills: number;
  readonly documents: number;
  readonly prefetch: number;
  readonly broker: string | undefined;
  readonly json: string | undefined;
  readonly events: string | undefined;
}

export const faultUsage = `npm run faults -- ${faults.join('|')} [options]
  broker-kill      the broker is restarted once and killed with -9 twice under load
  consumer-kills   consumer processes are killed with -9 in mid-handling (event bus)
  crash-document   a document that kills its process becomes a dead letter
  leader-kill      the node that leads a busy partition, queue or stream of a cluster of three is killed with -9 twice
  rebalance-storm  six consumer processes join, leave and die at random (data bus)
  --adapter rabbitmq|kafka|redis-streams   default rabbitmq; rebalance-storm: kafka
  --bus event|data default: the bus the broker is made for (kafka and rebalance-storm: data)
  --broker NAME    what to start, e.g. rabbitmq@4.0 (default: the adapter's newest; leader-kill: its newest cluster)
  --order none|key event bus only (default none)
  --rate N         documents per second (default 800; leader-kill: 1,500)
  --documents N    leader-kill: how many have to be stored (default 200,000)
  --seconds N      rebalance-storm: how long (default 60)
  --kills N        consumer-kills: how many (default 25)
  --prefetch N     default 300
  --seed N         default: the time
  --json FILE      writes the report
  --events FILE    writes every handler run that was judged, one JSON a line
A private broker is started for every run and removed after it.
A million documents: npm run bench -- --million --adapter rabbitmq|kafka|redis-streams`;

/** @throws TypeError with the usage for anything that is not understood. */
export function parseFaultOptions(args: readonly string[]): FaultOptions {
  const { values, positionals } = understand(args);
  const name = faults.find((one) => one === positionals[0]);
  if (name === undefined || positionals.length > 1)
    throw new TypeError(
      `one fault run must be named, got '${positionals.join(' ')}'\n${faultUsage}`,
    );
  const wanted = values['adapter'] ?? (name === 'rebalance-storm' ? 'kafka' : 'rabbitmq');
  const adapter = adapters.find((one) => one === wanted);
  if (adapter === undefined) throw wrong('adapter', wanted);
  const storm = name === 'rebalance-storm';
  const bus = values['bus'] ?? (storm || adapter === 'kafka' ? 'data' : 'event');
  if (bus !== 'event' && bus !== 'data') throw wrong('bus', bus);
  if (storm && bus !== 'data') throw wrong('bus', bus);
  if (name === 'leader-kill' && adapter === 'redis-streams') throw wrong('adapter', adapter);
  if (name === 'consumer-kills' && bus !== 'event') throw wrong('bus', bus);
  const order = values['order'] ?? (bus === 'data' ? 'key' : 'none');
  if (order !== 'none' && order !== 'key') throw wrong('order', order);
  if (bus === 'data' && order !== 'key') throw wrong('order', order);
  return {
    name,
    adapter,
    bus,
    order,
    seed: count('seed', values['seed'], Date.now() % 1_000_000_000),
    rate: count('rate', values['rate'], name === 'leader-kill' ? 1_500 : 800),
    seconds: count('seconds', values['seconds'], 60),
    kills: count('kills', values['kills'], 25),
    documents: count('documents', values['documents'], 200_000),
    prefetch: count('prefetch', values['prefetch'], 300),
    broker: values['broker'],
    json: values['json'],
    events: values['events'],
  };
}

const text = { type: 'string' } as const;
const known = {
  adapter: text,
  bus: text,
  broker: text,
  order: text,
  rate: text,
  seconds: text,
  kills: text,
  documents: text,
  prefetch: text,
  seed: text,
  json: text,
  events: text,
};

function understand(args: readonly string[]): {
  readonly values: { readonly [name in keyof typeof known]?: string };
  readonly positionals: readonly string[];
} {
  try {
    return parseArgs({ args: [...args], options: known, allowPositionals: true });
  } catch (cause) {
    throw new TypeError(
      `${cause instanceof Error ? cause.message : String(cause)}\n${faultUsage}`,
      { cause },
    );
  }
}

function wrong(option: string, value: string): TypeError {
  return new TypeError(`--${option} cannot be ${value} here\n${faultUsage}`);
}

function count(name: string, value: string | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new TypeError(`--${name} must be a positive integer, got ${value}\n${faultUsage}`);
  return number;
}
