import { parseArgs } from 'node:util';

export const shapes = ['subscriptions', 'topics', 'group'] as const;
export type Shape = (typeof shapes)[number];

const adapters = ['rabbitmq', 'kafka', 'redis-streams'] as const;

export interface ScaleOptions {
  readonly shape: Shape;
  readonly adapter: (typeof adapters)[number];
  readonly counts: readonly number[];
  readonly processes: number;
  readonly idleSeconds: number;
  readonly json: string | undefined;
}

export const scaleUsage = `npm run scale -- ${shapes.join('|')} --adapter rabbitmq|kafka|redis-streams [options]
  subscriptions    so many subscriptions to one topic, in one process (event bus)
  topics           so many topics with one subscription each, in one process (event bus)
  group            one group over so many partitions, shared by several processes (data bus)
  --counts N,N     default 100,1000; group: 16
  --processes N    group: how many (default 8)
  --idle N         seconds to look at while nothing happens (default 15)
  --json FILE      writes the figures
A private broker is started for every run and removed after it. Linux only.`;

const text = { type: 'string' } as const;

/** @throws TypeError with the usage for anything that is not understood. */
export function parseScaleOptions(args: readonly string[]): ScaleOptions {
  const { values, positionals } = understand(args);
  const shape = shapes.find((one) => one === positionals[0]);
  if (shape === undefined || positionals.length > 1)
    throw wrong(`what to measure cannot be '${positionals.join(' ')}'`);
  const adapter = adapters.find((one) => one === values.adapter);
  if (adapter === undefined)
    throw wrong(`--adapter must be one of ${adapters.join(', ')}, got ${values.adapter}`);
  const counts = values.counts ?? (shape === 'group' ? '16' : '100,1000');
  return {
    shape,
    adapter,
    counts: counts.split(',').map((each) => count('counts', each)),
    processes: count('processes', values.processes ?? '8'),
    idleSeconds: count('idle', values.idle ?? '15'),
    json: values.json,
  };
}

interface Values {
  readonly adapter?: string;
  readonly counts?: string;
  readonly processes?: string;
  readonly idle?: string;
  readonly json?: string;
}

function understand(args: readonly string[]): {
  readonly values: Values;
  readonly positionals: readonly string[];
} {
  try {
    return parseArgs({
      args: [...args],
      options: { adapter: text, counts: text, processes: text, idle: text, json: text },
      allowPositionals: true,
    });
  } catch (cause) {
    throw wrong(cause instanceof Error ? cause.message : String(cause));
  }
}

function wrong(what: string): TypeError {
  return new TypeError(`${what}\n${scaleUsage}`);
}

function count(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw wrong(`--${name} takes whole numbers from 1, got ${value}`);
  return number;
}
