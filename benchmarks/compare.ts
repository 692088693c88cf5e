import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Arguments } from './arguments.ts';
import type { Answer, Task } from './child.ts';
import { rawName } from './contenders/pick.ts';
import { compare, type Line, table } from './report.ts';
import type { RoundFigures } from './round.ts';

const child = fileURLToPath(new URL('child.ts', import.meta.url));
const singles = 500;

export interface Comparison {
  readonly adapter: string;
  readonly bus: string;
  readonly raw: string | undefined;
  readonly documents: number;
  readonly window: number;
  readonly node: string;
  readonly lines: readonly Line[];
  readonly rounds: {
    readonly duobus: readonly RoundFigures[];
    readonly raw: readonly RoundFigures[];
  };
}

/** duobus and the raw client take turns, who begins changing every round, each turn in a process of its own. */
export async function runComparison(options: Arguments, url: string): Promise<Comparison> {
  const { adapter, bus, documents, window } = options;
  const raw = rawName({ adapter });
  const rounds = { duobus: [] as RoundFigures[], raw: [] as RoundFigures[] };
  for (let round = 0; round < options.rounds; round += 1) {
    const order: readonly Task['contender'][] =
      raw === undefined ? ['duobus'] : round % 2 === 0 ? ['duobus', 'raw'] : ['raw', 'duobus'];
    for (const contender of order) {
      const run = `${Date.now().toString(36)}-${process.pid}-${round}`;
      const figures = await playInProcess(
        { contender, setting: { adapter, bus, url, run }, size: { documents, window, singles } },
        options.profile,
      );
      rounds[contender].push(figures);
      console.log(
        `round ${round + 1}  ${(contender === 'raw' ? (raw ?? '') : 'duobus').padEnd(8)}  publish ${figures.publishPerSecond.toFixed(0)}/s  consume ${figures.consumePerSecond.toFixed(0)}/s`,
      );
    }
  }
  const lines = compare(rounds.duobus, raw === undefined ? undefined : rounds.raw);
  console.log(
    `\n${adapter}, ${bus} bus, ${documents} documents of 1 KiB, ${window} in flight, ${options.rounds} rounds, Node ${process.versions.node}\n`,
  );
  console.log(table(lines, raw));
  return { adapter, bus, raw, documents, window, node: process.versions.node, lines, rounds };
}

async function playInProcess(task: Task, profile: string | undefined): Promise<RoundFigures> {
  const profiling =
    profile !== undefined && task.contender === 'duobus'
      ? ['--cpu-prof', `--cpu-prof-dir=${profile}`]
      : [];
  const process_ = fork(child, { execArgv: ['--conditions=duobus:source', ...profiling] });
  const ended = once(process_, 'exit');
  process_.send(task);
  const answer: Answer = await Promise.race([
    once(process_, 'message').then(([message]) => message as Answer),
    ended.then(([code]) => ({ error: `its process ended with ${String(code)} and no answer` })),
  ]);
  await ended;
  if ('error' in answer)
    throw new Error(`${task.contender} on ${task.setting.adapter} failed: ${answer.error}`);
  return answer.figures;
}
