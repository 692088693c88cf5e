import type { Scope } from './queue-scope.ts';
import { insist } from './queue-insist.ts';

/** What is kept of a message besides itself: SQS messages cannot be changed. */
export interface Note {
  /** Undefined: none. */
  readonly state: string | undefined;
  /** How often the message had been received when this was written. */
  readonly receives: number;
  /** It was given back in good order: nobody has died over it. */
  readonly released: boolean;
}

export interface StoredNote extends Note {
  readonly etag: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export async function readNote(
  scope: Scope,
  messageId: string,
  signal: AbortSignal,
): Promise<StoredNote | undefined> {
  const { store } = scope.connection;
  const key = scope.noteKey(messageId);
  const found = await insist(() => store.get(key, signal), signal);
  return found === undefined ? undefined : { ...decode(found.body), etag: found.etag };
}

/**
 * Writes the note in the place of the one with this tag, or of none, and returns the new one's. 'conflict': somebody else
 * has received the message since.
 */
export async function writeNote(
  scope: Scope,
  messageId: string,
  note: Note,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly etag: string } | 'conflict'> {
  const { store } = scope.connection;
  const key = scope.noteKey(messageId);
  const body = encoder.encode(JSON.stringify({ v: 1, ...note }));
  const condition = etag === undefined ? ({ absent: true } as const) : { etag };
  return insist(async (failures) => {
    const put = await store.put(key, body, condition, signal);
    if (put !== 'conflict' || failures === 0) return put;
    // the write whose answer was lost looks like somebody else's
    const there = await store.get(key, signal);
    const same = there !== undefined && Buffer.compare(there.body, body) === 0;
    return same ? { etag: there.etag } : 'conflict';
  }, signal);
}

export async function removeNote(
  scope: Scope,
  messageId: string,
  signal: AbortSignal,
): Promise<void> {
  const { store } = scope.connection;
  const key = scope.noteKey(messageId);
  await insist(() => store.remove(key, undefined, signal), signal);
}

/** What cannot be read is the state itself: the runtime says which version it has and what to do. */
function decode(body: Uint8Array): Note {
  const said = decoder.decode(body);
  try {
    const note = JSON.parse(said) as Partial<Note> & { readonly v?: unknown };
    if (note?.v === 1 && typeof note.receives === 'number')
      return {
        state: typeof note.state === 'string' ? note.state : undefined,
        receives: note.receives,
        released: note.released === true,
      };
  } catch {
    // as below
  }
  return { state: said, receives: 0, released: false };
}
