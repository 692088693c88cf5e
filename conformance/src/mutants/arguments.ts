import { parseArgs } from 'node:util';
import { numberOf } from '../arguments.ts';
import type { TargetArguments } from '../targets.ts';

export interface MutantArguments extends TargetArguments {
  readonly json: string | undefined;
  readonly wanted: readonly string[];
  readonly only: readonly string[];
  readonly named: boolean;
  readonly sample: boolean;
  readonly seed: number;
  readonly concurrency: number;
  readonly list: boolean;
  readonly help: boolean;
}

export const mutantUsage = `duobus-mutants: shows that the suite finds an adapter that is broken

  --adapter NAME   memory, rabbitmq, kafka, redis-streams, sns-sqs, or the package of an adapter
  --url URL        the broker; without it a broker for one of duobus's own is started here
  --json FILE      writes the kill matrix as JSON
  --mutant NAME    only this mutant, or this operator at all its points; may be given several times
  --case NAME      a column of the matrix; may be given several times; default: every case
  --named          shows every mutant only the case that has to find it
  --sample         one mutant of every operator
  --seed N         default 1
  --slow FACTOR    multiplies all time limits; default 0.2, 1 with a broker
  --concurrency N  mutants at a time; default 6, on memory 2, there with --named 16
  --list           names the mutants and the cases that have to find them
  --help           shows this`;

/** @throws Error with a sentence for arguments that make no sense. */
export function readMutantArguments(argv: readonly string[]): MutantArguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      adapter: { type: 'string' },
      url: { type: 'string' },
      json: { type: 'string' },
      mutant: { type: 'string', multiple: true },
      case: { type: 'string', multiple: true },
      named: { type: 'boolean' },
      sample: { type: 'boolean' },
      seed: { type: 'string' },
      slow: { type: 'string' },
      concurrency: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { adapter, url, json, list = false, help = false } = values;
  if (!list && !help && adapter === undefined) throw new Error('say which adapter: --adapter NAME');
  const quick = adapter === 'memory';
  const named = values.named ?? false;
  const together = quick ? (named ? 16 : 2) : 6;
  return {
    adapter,
    url,
    json,
    list,
    help,
    wanted: values.mutant ?? [],
    only: values.case ?? [],
    named,
    sample: values.sample ?? false,
    seed: numberOf('seed', values.seed ?? '1', 0),
    slow: numberOf('slow', values.slow ?? (quick ? '0.2' : '1'), 0.1),
    concurrency: numberOf('concurrency', values.concurrency ?? String(together), 1),
  };
}
