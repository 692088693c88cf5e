import type { Message } from '@aws-sdk/client-sqs';
import { inParallel, type InboundRecord, type Leased } from '@duobus/core/driver';
import { longestLeaseMs } from './queue-capabilities.ts';
import { readNote, type StoredNote, writeNote } from './queue-notes.ts';
import type { Scope } from './queue-scope.ts';
import { decodeRecord } from './record-codec.ts';

/** SQS refuses more than twelve hours in all, by its own clock. */
const marginMs = 60_000;

/** When and for how long SQS has taken messages. */
export interface Asked {
  /** Not later, by `performance.now()`, than what SQS counts from. */
  readonly at: number;
  readonly visibilityMs: number;
}

/** A message that is not settled yet; its own token. */
export class Lease implements Leased {
  readonly key: string | undefined;
  readonly headers: InboundRecord['headers'];
  readonly body: Uint8Array | null;
  readonly redelivered: boolean;
  readonly state: string | undefined;
  readonly token: Lease;
  readonly messageId: string;
  readonly handle: string;
  readonly group: string | undefined;
  readonly sentAt: number;
  readonly receives: number;
  readonly receivedAt: number;
  /** The partition whose queue it is in. */
  readonly queue: number;
  /** Of its note, if it has one. */
  noteTag: string | undefined;
  /** How long it was asked for the last time, and until when it is certainly ours. */
  grantedMs: number;
  deadline: number;
  /** Given to `settle`, or lost. */
  over = false;

  constructor(
    message: Message,
    note: StoredNote | undefined,
    { at, visibilityMs }: Asked,
    queue: number,
  ) {
    const { Attributes = {}, MessageAttributes } = message;
    const { key, headers, body, state } = decodeRecord(message.Body, MessageAttributes);
    const receives = receivesOf(message);
    this.key = key;
    this.headers = headers;
    this.body = body;
    this.state = note?.state ?? state;
    this.redelivered = receives > 1 && !(note?.released === true && note.receives + 1 === receives);
    this.token = this;
    this.messageId = message.MessageId ?? '';
    this.handle = message.ReceiptHandle ?? '';
    this.group = Attributes.MessageGroupId;
    this.sentAt = Number(Attributes.SentTimestamp ?? 0);
    this.receives = receives;
    this.receivedAt = at;
    this.queue = queue;
    this.noteTag = note?.etag;
    this.grantedMs = visibilityMs;
    this.deadline = at + visibilityMs;
  }

  get expired(): boolean {
    return performance.now() >= this.deadline;
  }
}

/** For how long from `now` on SQS still hides it from others. */
export function hideableMs({ receivedAt }: Lease, now: number): number {
  return receivedAt + longestLeaseMs - marginMs - now;
}

/** Whether it is certainly ours: of what is not, somebody else may have it. */
export const isHeld = ({ over, expired }: Lease): boolean => !over && !expired;

/** The messages with what is kept of them; it is looked for only where there may be something. */
export async function leasesOf(
  scope: Scope,
  messages: readonly Message[],
  asked: Asked,
  signal: AbortSignal,
): Promise<readonly Lease[]> {
  return inParallel(messages, messages.length, async (message) => {
    const note =
      receivesOf(message) > 1 ? await readNote(scope, message.MessageId ?? '', signal) : undefined;
    return new Lease(message, note, asked, scope.partition);
  });
}

/** Durably attaches a state. 'lost': somebody else has received the message since. */
export async function noteOn(
  scope: Scope,
  lease: Lease,
  state: string | undefined,
  released: boolean,
  signal: AbortSignal,
): Promise<'kept' | 'lost'> {
  const { messageId, receives, noteTag } = lease;
  const written = await writeNote(scope, messageId, { state, receives, released }, noteTag, signal);
  if (written === 'conflict') return 'lost';
  lease.noteTag = written.etag;
  return 'kept';
}

/** Where SQS does not tell, it may have been received before. */
function receivesOf({ Attributes }: Message): number {
  const receives = Number(Attributes?.ApproximateReceiveCount);
  return receives >= 1 ? receives : 2;
}
