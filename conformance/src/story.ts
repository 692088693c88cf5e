import { Differs, InVain } from './expect.ts';
import type { Fault } from './fault.ts';
import type { DeliverOp, History, Op, PublishOp } from './history.ts';
import { judge } from './judge.ts';

/** As much as can be read at a glance. */
const most = 30;
const documentsShown = 2;

/** What shows that something went wrong, and what else is wrong with it. */
export interface Story {
  readonly ops: readonly Op[];
  /** Found in the history of a case that was broken off. */
  readonly fault?: Fault;
}

/** The shortest part of a history that shows what went wrong. */
export function storyOf(history: History, error: unknown, ordered: readonly string[]): Story {
  if (error instanceof NotAllowed) return { ops: shows(history, error.first.ops) };
  if (error instanceof Differs) return { ops: shows(history, documents(history, error.documents)) };
  // Of a case that was broken off in the middle these may have seen half of a sequence.
  const early = error instanceof InVain ? /^$/ : /^(noSkips|resetExact)/;
  const [fault] = judge(history, ordered).filter(({ text }) => !early.test(text));
  if (fault !== undefined) return { ops: shows(history, fault.ops), fault };
  const suspects = [...waiting(history), ...repeated(history)];
  const ids = [...new Set(suspects.map(({ id }) => id))].slice(0, documentsShown);
  const ops = history.ops.filter((op) => 'id' in op && ids.includes(op.id));
  if (ops.length === 0) return { ops: history.ops.slice(-most) };
  return { ops: shows(history, withSubscribes(history, ops)) };
}

/** A history that breaks rules which hold for every history. */
export class NotAllowed extends Error {
  readonly first: Fault;

  constructor([first, ...others]: readonly [Fault, ...Fault[]]) {
    const rest = others.length > 2 ? `\nand ${others.length - 2} more` : '';
    super(`${[first, ...others.slice(0, 2)].join('\n')}${rest}`);
    this.first = first;
  }
}

/** With what happened meanwhile to the subscriptions and groups that it is about, in order. */
export function shows(history: History, ops: readonly Op[]): Op[] {
  const nameOf = (op: Op): string | undefined =>
    'name' in op ? `${op.topic}/${op.name}` : undefined;
  const names = new Set(ops.map(nameOf));
  const [from, to] = [
    Math.min(...ops.map(({ begun }) => begun)),
    Math.max(...ops.map(({ begun }) => begun)),
  ];
  return history.ops.filter(
    (op) =>
      ops.includes(op) ||
      (!('id' in op) && names.has(nameOf(op)) && op.begun > from && op.begun < to),
  );
}

function documents(history: History, numbers: readonly number[]): Op[] {
  const few = numbers.slice(0, documentsShown);
  return withSubscribes(
    history,
    history.ops.filter((op) => 'n' in op && few.includes(op.n)),
  );
}

/** Of what never came one has to see who should have got it. */
function withSubscribes(history: History, ops: readonly Op[]): Op[] {
  const topics = new Set(ops.map(({ topic }) => topic));
  return [...history.of('subscribe').filter(({ topic }) => topics.has(topic)), ...ops];
}

/** What a subscription or group that is there had not handled when the case ended. */
function waiting(history: History): PublishOp[] {
  return history.of('subscribe').flatMap(({ topic, name, ended }) => {
    const handled = new Set(
      history
        .of('deliver')
        .filter((op) => op.topic === topic && op.name === name && op.type === 'ok')
        .map(({ id }) => id),
    );
    return history
      .of('publish')
      .filter((op) => op.topic === topic && op.type === 'ok' && !handled.has(op.id))
      .filter((op) => topic.startsWith('data:') || op.begun > ended);
  });
}

function repeated(history: History): DeliverOp[] {
  const seen = new Set<string>();
  return history.of('deliver').filter(({ topic, name, id }) => {
    const key = `${topic}/${name}/${id}`;
    return seen.size === seen.add(key).size;
  });
}

/** One operation a line; of a long story the beginning and the end. */
export function told(ops: readonly Op[]): string[] {
  const lines = ops.map((op) => describeOp(op).trimEnd());
  if (lines.length <= most) return lines;
  const left = lines.length - most;
  return [...lines.slice(0, most / 3), `... ${left} more ...`, ...lines.slice(most / 3 + left)];
}

function describeOp(op: Op): string {
  const span = `${op.begun}-${op.ended === Number.POSITIVE_INFINITY ? '' : op.ended}`;
  const who = `${span} ${op.process} ${op.f} ${op.type} ${op.topic}`;
  if (op.f === 'publish') return `${who} n=${op.n} key=${op.key ?? '-'} ${op.position ?? ''}`;
  if (op.f === 'deliver') {
    return `${who}/${op.name} n=${op.n} key=${op.key ?? '-'} attempt=${op.attempt} cause=${op.cause} epoch=${op.epoch} ${op.position ?? ''}`;
  }
  if (op.f === 'read') return `${who} ${op.entries.length} documents`;
  if (op.f === 'look') return `${who}/${op.name} ${Object.values(op.pointers).join(' ')}`;
  if (op.f === 'letters') return `${who}/${op.name} ${op.letters.length} dead letters`;
  if (op.f === 'reset') return `${who}/${op.name} ${op.targets.join(' ')}${op.code ?? ''}`;
  return `${who}/${op.name}`;
}
