import { parseArgs } from 'node:util';

export interface Arguments {
  readonly adapter: string | undefined;
  readonly url: string | undefined;
  readonly report: string | undefined;
  readonly junit: string | undefined;
  readonly markdown: string | undefined;
  readonly only: readonly string[] | undefined;
  readonly seed: number | undefined;
  readonly slow: number;
  readonly concurrency: number;
  readonly list: boolean;
  readonly help: boolean;
}

export const usage = `duobus-conformance: shows whether an adapter keeps the contract of duobus

  --adapter NAME   memory, rabbitmq, kafka, redis-streams, sns-sqs, or another adapter: the
                   name of its package, or a file as in ./my-adapter.js
  --url URL        the broker; without it a broker for one of duobus's own is started here
  --report FILE    writes the results as JSON
  --junit FILE     writes them as JUnit XML, for CI servers
  --markdown FILE  writes them as a page: a matrix of rules and cases
  --case NAME      only this case; may be given several times
  --seed N         repeats a run
  --slow FACTOR    multiplies all time limits, for slow machines and brokers; default 1
  --concurrency N  cases at a time; default 4
  --list           names the cases and their rules
  --help           shows this`;

/** @throws Error with a sentence for arguments that make no sense. */
export function readArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      adapter: { type: 'string' },
      url: { type: 'string' },
      report: { type: 'string' },
      junit: { type: 'string' },
      markdown: { type: 'string' },
      case: { type: 'string', multiple: true },
      seed: { type: 'string' },
      slow: { type: 'string' },
      concurrency: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { adapter, url, report, junit, markdown, list = false, help = false } = values;
  if (!list && !help && adapter === undefined && url === undefined)
    throw new Error('say which adapter: --adapter NAME, or --url URL');
  return {
    adapter,
    url,
    report,
    junit,
    markdown,
    list,
    help,
    only: values.case,
    seed: values.seed === undefined ? undefined : numberOf('seed', values.seed, 0),
    slow: numberOf('slow', values.slow ?? '1', 0.1),
    concurrency: numberOf('concurrency', values.concurrency ?? '4', 1),
  };
}

export function numberOf(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= least) return value;
  throw new Error(`--${option} must be a number of at least ${least}, got '${text}'`);
}
