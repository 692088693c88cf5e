import { parseArgs } from 'node:util';

export const adapters = ['memory', 'rabbitmq', 'kafka', 'redis-streams', 'sns-sqs'] as const;
export type AdapterName = (typeof adapters)[number];
export type BusKind = 'event' | 'data';

export interface Arguments {
  readonly adapter: AdapterName;
  readonly bus: BusKind;
  readonly url: string | undefined;
  readonly documents: number;
  readonly rounds: number;
  readonly window: number;
  readonly json: string | undefined;
  readonly profile: string | undefined;
  readonly million: boolean;
}

export const usage = `npm run bench -- --adapter memory|rabbitmq|kafka|redis-streams|sns-sqs [options]
  --bus event|data     default: the bus the broker is made for (kafka: data, else event)
  --url URL            broker to use; default: one is started for the run and removed after it
  --documents N        per round and direction, 1 KiB of JSON each (default 20,000; --million 1,000,000)
  --rounds N           default 5; duobus and the raw client take turns in every round
  --window N           publishes in flight (default 1,000)
  --json FILE          writes the figures of all rounds
  --profile DIR        writes .cpuprofile files of duobus' rounds
  --million            one long run of duobus alone: memory, lost, duplicates`;

/** @throws TypeError with the usage for anything that is not understood. */
export function parseArguments(args: readonly string[]): Arguments {
  const { values } = understand(args);
  const adapter = adapters.find((name) => name === values.adapter);
  if (adapter === undefined)
    throw new TypeError(
      `--adapter must be one of ${adapters.join(', ')}, got ${values.adapter ?? 'nothing'}\n${usage}`,
    );
  const native = adapter === 'kafka' ? 'data' : 'event';
  const bus = values.bus ?? native;
  if (bus !== 'event' && bus !== 'data')
    throw new TypeError(`--bus must be event or data, got ${bus}\n${usage}`);
  const million = values.million ?? false;
  return {
    adapter,
    bus,
    million,
    url: values.url,
    documents: count('documents', values.documents, million ? 1_000_000 : 20_000),
    rounds: count('rounds', values.rounds, 5),
    window: count('window', values.window, 1_000),
    json: values.json,
    profile: values.profile,
  };
}

interface Values {
  readonly adapter?: string;
  readonly bus?: string;
  readonly url?: string;
  readonly documents?: string;
  readonly rounds?: string;
  readonly window?: string;
  readonly json?: string;
  readonly profile?: string;
  readonly million?: boolean;
}

function understand(args: readonly string[]): { readonly values: Values } {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        adapter: text,
        bus: text,
        url: text,
        documents: text,
        rounds: text,
        window: text,
        json: text,
        profile: text,
        million: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new TypeError(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, {
      cause,
    });
  }
}

function count(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text.replaceAll(/[_,]/g, ''));
  if (!Number.isSafeInteger(value) || value < 1)
    throw new TypeError(`--${name} must be a positive integer, got ${text}\n${usage}`);
  return value;
}
