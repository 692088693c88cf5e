import { parseArgs } from 'node:util';

export interface Arguments {
  readonly adapter: string;
  readonly runs: number;
  readonly seed: string | undefined;
  readonly url: string | undefined;
  readonly slow: number;
  readonly concurrency: number | undefined;
  readonly help: boolean;
}

export const usage = `npm run histories: random histories of publishes, subscriptions, crashes, resets and failures, judged

  --adapter NAME   memory (default), rabbitmq, kafka, redis-streams, sns-sqs, or the package of an adapter
  --runs N         how many histories; default 200, on memory 10,000
  --seed SEED      repeats a run: a number, or all that a failed one has printed
  --url URL        the broker; without it one is started here
  --slow FACTOR    multiplies all time limits; default 1
  --concurrency N  histories at a time; default 4, on memory 1
  --help           shows this`;

/** @throws Error with a sentence for arguments that make no sense. */
export function readArguments(argv: readonly string[]): Arguments {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      adapter: text,
      runs: text,
      seed: text,
      url: text,
      slow: text,
      concurrency: text,
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { adapter = 'memory', runs, seed, url, slow = '1', concurrency, help = false } = values;
  if (adapter === 'memory' && url !== undefined)
    throw new Error('--url is of no use with memory: leave it out, or name an adapter');
  return {
    adapter,
    url,
    seed,
    help,
    runs: numberOf('runs', runs ?? (adapter === 'memory' ? '10000' : '200'), 1),
    slow: numberOf('slow', slow, 0.1),
    concurrency: concurrency === undefined ? undefined : numberOf('concurrency', concurrency, 1),
  };
}

function numberOf(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value;
  throw new Error(`--${option} must be a number of at least ${least}, got '${text}'`);
}
