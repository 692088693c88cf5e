import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
} from '@aws-sdk/client-sqs';
import { inParallel, BusError } from '@duobus/core/driver';
import { insist, isPassing } from './queue-insist.ts';
import type { Lease } from './queue-lease.ts';
import type { Scope } from './queue-scope.ts';

interface Answer {
  readonly Failed?: readonly BatchResultErrorEntry[] | undefined;
}

/** Requests of one member that run at the same time. */
export const width = 8;

/** Removes messages from the queue. Returns those that were still held. */
export function deleteMessages(
  scope: Scope,
  leases: readonly Lease[],
  signal: AbortSignal,
): Promise<ReadonlySet<Lease>> {
  const tried = `delete documents of ${scope.what}`;
  return batched(leases, { tried, signal, width }, (chunk) =>
    scope.connection.sqs(
      new DeleteMessageBatchCommand({
        QueueUrl: scope.queueUrl,
        Entries: chunk.map(({ handle }, at) => ({ Id: String(at), ReceiptHandle: handle })),
      }),
      signal,
      tried,
    ),
  );
}

/** Hides messages for so many whole seconds from now on; 0 shows them. Returns those that were still held. */
export async function hideMessages(
  scope: Scope,
  leases: readonly Lease[],
  seconds: (lease: Lease) => number,
  signal: AbortSignal,
): Promise<ReadonlySet<Lease>> {
  const tried = `give back documents of ${scope.what}`;
  // those of one key become visible in their order
  const together = scope.ordered ? 1 : width;
  return batched(leases, { tried, signal, width: together }, (chunk) =>
    scope.connection.sqs(hideCommand(scope, chunk, seconds), signal, tried),
  );
}

export function hideCommand(
  { queueUrl }: Scope,
  leases: readonly Lease[],
  seconds: (lease: Lease) => number,
): ChangeMessageVisibilityBatchCommand {
  return new ChangeMessageVisibilityBatchCommand({
    QueueUrl: queueUrl,
    Entries: leases.map((lease, at) => ({
      Id: String(at),
      ReceiptHandle: lease.handle,
      VisibilityTimeout: seconds(lease),
    })),
  });
}

/** SQS does not know the message by this handle any more. */
export function isRefused({ SenderFault, Code = '' }: BatchResultErrorEntry): boolean {
  return SenderFault === true && !/throttl/i.test(Code);
}

/** A batch that was answered may have failed in part: only that part is tried again. */
async function batched(
  leases: readonly Lease[],
  how: { readonly tried: string; readonly signal: AbortSignal; readonly width: number },
  send: (chunk: readonly Lease[]) => Promise<Answer>,
): Promise<ReadonlySet<Lease>> {
  const done = new Set<Lease>();
  const unsure = new Set<Lease>();
  let pending = leases;
  await insist(async () => {
    const left: Lease[] = [];
    let trouble: unknown;
    await inParallel([...chunked(pending)], how.width, async (chunk) => {
      let answer: Answer;
      try {
        answer = await send(chunk);
      } catch (error) {
        if (!isPassing(error)) throw error;
        trouble ??= error;
        left.push(...chunk);
        for (const lease of chunk) unsure.add(lease);
        return;
      }
      const failed = new Map((answer.Failed ?? []).map((entry) => [entry.Id, entry]));
      chunk.forEach((lease, at) => {
        const failure = failed.get(String(at));
        // where an answer was lost it is refused because it was done
        if (failure === undefined || (isRefused(failure) && unsure.has(lease))) done.add(lease);
        else if (!isRefused(failure)) {
          left.push(lease);
          trouble ??= failedEntry(failure, how.tried);
        }
      });
    });
    pending = left;
    if (trouble !== undefined) throw trouble;
  }, how.signal);
  return done;
}

function failedEntry({ Code, Message }: BatchResultErrorEntry, tried: string): BusError {
  return new BusError(
    'DUOBUS_UNAVAILABLE',
    `SQS: cannot ${tried}: ${Code}${Message === undefined ? '' : ` (${Message})`}; it is tried again`,
    { retryable: true },
  );
}

/** As many as SNS and SQS take in one request. */
export const batchSize = 10;

export function* chunked<Item>(
  items: readonly Item[],
  size: number = batchSize,
): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
