import type { BusError, Settlement } from '@duobus/core/driver';
import type { AmqpPublishOptions } from './client.ts';
import type { Consumer } from './consumer.ts';
import { Lease } from './lease.ts';
import { classify } from './native-errors.ts';
import type { Publisher, Sending } from './publisher.ts';
import { encodeCopy } from './record-codec.ts';

export type Settled = 'settled' | 'lost';

/** Where a copy goes before its original is removed. */
export interface Destination {
  readonly queue: string;
  readonly options: AmqpPublishOptions;
}

/** What a kind of member does for each verdict but `done`. */
export interface Settling {
  readonly copies: Publisher;
  readonly signal: AbortSignal;
  /** `undefined`: nothing is stored elsewhere, the record stays leased until the member closes. */
  destination(lease: Lease, settlement: Settlement): Promise<Destination | undefined>;
  /** The lease is over and the record is gone from the queue. */
  removed(lease: Lease): void;
  /** A copy could not be stored, so that its original has to be handed out again. */
  failed(lease: Lease, error: BusError): void;
}

interface Copy {
  readonly index: number;
  readonly lease: Lease;
  readonly sending: Sending;
}

/** The record of a token, if it is one of ours and still leased. */
export function heldLease(token: unknown): Lease | undefined {
  return token instanceof Lease && token.held ? token : undefined;
}

/** Settles a batch: what is done at once, the rest as soon as its copies are confirmed. */
export async function settleBatch(
  batch: readonly Settlement[],
  settling: Settling,
): Promise<readonly Settled[]> {
  const results: Settled[] = Array.from({ length: batch.length }, () => 'lost');
  const done: Lease[] = [];
  const others: { readonly index: number; readonly lease: Lease }[] = [];
  for (const [index, settlement] of batch.entries()) {
    const lease = heldLease(settlement.token);
    if (lease === undefined) continue;
    results[index] = 'settled';
    if (settlement.verdict === 'done') done.push(lease);
    else others.push({ index, lease });
  }
  remove(done, settling);
  if (others.length > 0) await settleOthers(batch, others, results, settling);
  return results;
}

async function settleOthers(
  batch: readonly Settlement[],
  others: readonly { readonly index: number; readonly lease: Lease }[],
  results: Settled[],
  settling: Settling,
): Promise<void> {
  const found = await Promise.all(
    others.map(async ({ index, lease }): Promise<Copy | undefined> => {
      try {
        const destination = await settling.destination(lease, batch[index] as Settlement);
        return destination && { index, lease, sending: sendingOf(lease, destination) };
      } catch (error) {
        results[index] = 'lost';
        if (lease.held) settling.failed(lease, classify(error));
        return undefined;
      }
    }),
  );
  const copies = found.filter((copy) => copy !== undefined);
  const outcomes = await settling.copies.send(
    copies.map((copy) => copy.sending),
    settling.signal,
  );
  const moved: Lease[] = [];
  for (const [at, { index, lease }] of copies.entries()) {
    const outcome = outcomes[at];
    if (lease.held && outcome?.status === 'stored') {
      moved.push(lease);
      continue;
    }
    results[index] = 'lost';
    if (lease.held && outcome !== undefined && outcome.status !== 'stored')
      settling.failed(lease, outcome.error);
  }
  remove(moved, settling);
}

/** Stores a copy of one record with another state, then removes the original. */
export async function move(
  lease: Lease,
  destination: Destination,
  settling: Pick<Settling, 'copies' | 'signal' | 'removed' | 'failed'>,
): Promise<'moved' | 'lost'> {
  const [outcome] = await settling.copies.send([sendingOf(lease, destination)], settling.signal);
  if (!lease.held) return 'lost';
  if (outcome?.status === 'stored') {
    remove([lease], settling);
    return 'moved';
  }
  if (outcome !== undefined) settling.failed(lease, outcome.error);
  return 'lost';
}

function sendingOf(lease: Lease, { queue, options }: Destination): Sending {
  return { exchange: '', routingKey: queue, body: lease.message.content, options };
}

function remove(leases: readonly Lease[], settling: Pick<Settling, 'removed'>): void {
  const byConsumer = new Map<Consumer, Lease[]>();
  let lastConsumer: Consumer | undefined;
  let last: Lease[] = [];
  for (const lease of leases) {
    if (lease.consumer !== lastConsumer) {
      lastConsumer = lease.consumer;
      last = byConsumer.get(lastConsumer) ?? [];
      byConsumer.set(lastConsumer, last);
    }
    last.push(lease);
  }
  for (const [consumer, its] of byConsumer) consumer.ack(its);
  for (const lease of leases) settling.removed(lease);
}

/** A copy of a record with another state, addressed to a queue. */
export function copyTo(
  queue: string,
  lease: Lease,
  state: string | undefined,
  partition?: number,
): Destination {
  return { queue, options: encodeCopy(lease.message, state, partition) };
}
