import type { Settlement } from '@duobus/core/driver';
import type { ScriptArgument } from './connection.ts';
import { settleScript } from './event-scripts.ts';
import { type Hold, Lease } from './queue-lease.ts';
import type { Scope } from './queue-scope.ts';

export type Settled = 'settled' | 'lost';

/** As many values as one operation may have: Lua's stack has an end. */
const chunk = 1_000;

/** What the script is told about one batch. */
class Request {
  readonly args: ScriptArgument[] = [];
  /** For each answer of the script, whom it is about. */
  readonly #answers: (readonly Lease[])[] = [];

  about({ partition, token }: Hold): void {
    this.args.push('p', partition, token);
  }

  done(leases: readonly Lease[]): void {
    const once = (kind: 'l' | 'o'): Lease[] =>
      leases.filter((lease) => lease.kind === kind && (kind === 'o' || lease.subscriptions === 1));
    for (const kind of ['o', 'l'] as const)
      for (const part of chunked(once(kind))) {
        this.args.push('d', kind, part.length, ...part.map(({ id }) => id));
        this.#answers.push(part);
      }
    const shared = leases.filter(({ kind, subscriptions }) => kind === 'l' && subscriptions !== 1);
    for (const part of chunked(shared)) {
      this.args.push('m', part.length);
      for (const { id, subscriptions } of part) this.args.push(id, subscriptions);
      this.#answers.push(part);
    }
    for (const part of chunked(leases.filter(({ hasState }) => hasState)))
      this.args.push('s', part.length, ...part.map(({ kind, id }) => kind + id));
  }

  other(lease: Lease, settlement: Exclude<Settlement, { readonly verdict: 'done' }>): void {
    const { kind, id, subscriptions } = lease;
    const { verdict, state } = settlement;
    if (verdict === 'again') this.args.push('a', kind, id, Math.ceil(settlement.delayMs), state);
    else if (verdict === 'back') this.args.push('b', kind, id, state);
    else this.args.push('x', kind, id, subscriptions, state);
    this.#answers.push([lease]);
  }

  unseen({ kind, id, redelivered }: Lease): void {
    this.args.push('u', kind, id, redelivered ? '!' : '');
  }

  note({ kind, id }: Lease, state: string): void {
    this.args.push('n', kind, id, state);
  }

  settled(answers: readonly unknown[]): ReadonlySet<Lease> {
    return new Set(this.#answers.filter((_, at) => answers[at] === 1).flat());
  }
}

/** Settles for one member. A token that is not held any more is 'lost'. */
export async function settleBatch(
  scope: Scope,
  member: string,
  batch: readonly Settlement[],
): Promise<readonly Settled[]> {
  const held = new Map<Lease, Settlement>();
  for (const settlement of batch) {
    const { token } = settlement;
    if (!(token instanceof Lease) || token.settled || held.has(token)) continue;
    token.settled = true;
    held.set(token, settlement);
  }
  if (held.size === 0) return batch.map(() => 'lost');
  const request = new Request();
  const byHold = byHolds(held.keys());
  for (const [hold, leases] of byHold) {
    request.about(hold);
    request.done(leases.filter((lease) => held.get(lease)?.verdict === 'done'));
    for (const lease of leases) {
      const settlement = held.get(lease) as Settlement;
      if (settlement.verdict !== 'done') request.other(lease, settlement);
    }
  }
  const answering = scope.run(settleScript, [member, ...request.args], 'settle documents of');
  // what is read next goes the same way: the server settles first
  for (const [hold, leases] of byHold) hold.freed(leases.length);
  const { values } = await answering;
  const settled = request.settled(values);
  return batch.map(({ token }) => (settled.has(token as Lease) ? 'settled' : 'lost'));
}

/** Keeps a state with a document. */
export async function noteState(
  scope: Scope,
  member: string,
  token: unknown,
  state: string,
): Promise<'kept' | 'lost'> {
  if (!(token instanceof Lease) || token.settled) return 'lost';
  const request = new Request();
  request.about(token.hold);
  request.note(token, state);
  token.hasState = true;
  const { values } = await scope.run(settleScript, [member, ...request.args], 'note a state in');
  return values[0] === 1 ? 'kept' : 'lost';
}

/** Gives back what nobody has been handed. */
export async function giveBackUnseen(
  scope: Scope,
  member: string,
  leases: Iterable<Lease>,
): Promise<void> {
  const request = new Request();
  const open = [...leases].filter((lease) => !lease.settled);
  if (open.length === 0) return;
  for (const [hold, some] of byHolds(open)) {
    request.about(hold);
    for (const lease of some) {
      lease.settled = true;
      request.unseen(lease);
    }
  }
  await scope.run(settleScript, [member, ...request.args], 'give back documents of');
}

function byHolds(leases: Iterable<Lease>): ReadonlyMap<Hold, readonly Lease[]> {
  const groups = new Map<Hold, Lease[]>();
  for (const lease of leases) {
    const group = groups.get(lease.hold);
    if (group === undefined) groups.set(lease.hold, [lease]);
    else group.push(lease);
  }
  return groups;
}

function* chunked<T>(list: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < list.length; at += chunk) yield list.slice(at, at + chunk);
}
