import type { InboundRecord } from '@duobus/core/driver';
import type { Lease } from './queue-lease.ts';
import type { Scope } from './queue-scope.ts';
import { insist } from './queue-insist.ts';
import { bufferOf } from './record-codec.ts';

/** A dead letter is an object: SQS keeps nothing longer than 14 days. */
export interface DeadLetter extends InboundRecord {
  readonly state: string;
  readonly partition: number;
}

export interface StoredDeadLetter extends DeadLetter {
  readonly objectKey: string;
  readonly etag: string;
}

interface Encoded {
  readonly v: 1;
  readonly state: string;
  readonly partition: number;
  readonly key?: string;
  readonly headers: readonly (readonly [string, unknown])[];
  /** Base64. */
  readonly body: string | null;
  /** Who is redriving it: of two who do so at once, one. */
  readonly claim?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One message has one, however often it is written. In the order in which they were published, nearly. */
export function deadKey({ deadPrefix }: Scope, { sentAt, messageId }: Lease): string {
  return `${deadPrefix}${String(sentAt).padStart(13, '0')}-${messageId}`;
}

/** Writes a dead letter; where a tag is given, only in the place of what has it. */
export function writeDeadLetter(
  { connection }: Scope,
  objectKey: string,
  letter: DeadLetter,
  etag: string | undefined,
  signal: AbortSignal,
  claim?: string,
): Promise<{ readonly etag: string } | 'conflict'> {
  const { state, partition, key, headers, body } = letter;
  const encoded: Encoded = {
    v: 1,
    state,
    partition,
    ...(key === undefined ? {} : { key }),
    headers: Object.keys(headers).map((name) => [name, headers[name]]),
    body: body === null ? null : bufferOf(body).toString('base64'),
    ...(claim === undefined ? {} : { claim }),
  };
  const bytes = encoder.encode(JSON.stringify(encoded));
  const condition = etag === undefined ? undefined : { etag };
  const put = (): Promise<{ readonly etag: string } | 'conflict'> =>
    connection.store.put(objectKey, bytes, condition, signal);
  // a conditional write whose answer was lost would look like somebody else's
  return etag === undefined ? insist(put, signal) : put();
}

export async function readDeadLetter(
  { connection }: Scope,
  objectKey: string,
  signal: AbortSignal,
): Promise<StoredDeadLetter | undefined> {
  const found = await insist(() => connection.store.get(objectKey, signal), signal);
  return found === undefined ? undefined : { ...decode(found.body), objectKey, etag: found.etag };
}

/** Removes it if it still has this tag. */
export function removeDeadLetter(
  { connection }: Scope,
  { objectKey, etag }: Pick<StoredDeadLetter, 'objectKey' | 'etag'>,
  signal: AbortSignal,
): Promise<'removed' | 'conflict'> {
  return insist(async (failures) => {
    const removed = await connection.store.remove(objectKey, { etag }, signal);
    // where the answer was lost it is not there because it was removed
    return failures > 0 ? 'removed' : removed;
  }, signal);
}

/** What cannot be read is the state itself: the runtime says which version it has and what to do. */
function decode(bytes: Uint8Array): DeadLetter {
  const said = decoder.decode(bytes);
  try {
    const letter = JSON.parse(said) as Encoded;
    if (letter?.v === 1) {
      const headers = Object.create(null) as Record<string, unknown>;
      for (const [name, value] of letter.headers) headers[name] = value;
      return {
        key: letter.key,
        headers,
        body: letter.body === null ? null : Buffer.from(letter.body, 'base64'),
        state: letter.state,
        partition: letter.partition,
      };
    }
  } catch {
    // as below
  }
  return { key: undefined, headers: {}, body: bytes, state: said, partition: 0 };
}
