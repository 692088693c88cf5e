import { abortable } from '@duobus/core/driver';
import type { AmqpChannel, AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import { consumeStream, type StreamStart } from './stream-consume.ts';
import { offsetOf } from './stream-line.ts';

/** More than one chunk of a stream can hold, so that the last one arrives whole (osiris batches 8,192 entries). */
const lookAhead = 10_000;
/** Enough to step over first lines that say nothing. */
const few = 4;
/** How long a stream may take to hand out its first line before its maker is taken to have died. */
const patienceMs = 2_000;

/** What is found at one place of a stream, in order; more than was asked for may come. */
export type Found = readonly AmqpMessage[];

export interface EndsWanted {
  readonly queue: string;
  /** Also what is first. */
  readonly first: boolean;
  /** Also what was appended at this second, since 1970, or first after it. */
  readonly second?: number | undefined;
}

export interface EndsFound {
  readonly first: Found;
  readonly at: Found;
  /** The last chunk, and what has come after it. */
  readonly last: Found;
}

/**
 * The ends of streams as they are now. AMQP 0-9-1 has no request for them, and an empty answer looks like a slow one. But
 * a reader that starts at the last chunk and has got its first message has got everything there was by the time one
 * more request on its channel is answered; and so have readers that were started before it on the same channel.
 * Each stream has at least one message, from when it was made; `mend` writes it where its maker has died before.
 */
export async function readEnds(
  connection: Connection,
  tried: string,
  wanted: readonly EndsWanted[],
  mend: (queue: string) => Promise<void>,
  signal: AbortSignal,
): Promise<readonly EndsFound[]> {
  return connection.with(tried, signal, async (channel) => {
    const looking = wanted.map((one) => look(channel, one));
    const found = await Promise.all(looking.map(({ found }) => found));
    await Promise.all(
      looking.map(({ begun }, index) =>
        begins(begun, () => mend((wanted[index] as EndsWanted).queue), signal),
      ),
    );
    const turn = (): Promise<unknown> => channel.checkQueue((wanted[0] as EndsWanted).queue);
    await turn();
    // what has arrived for the last reader is on its way to the others of its stream: it is there a turn later
    const arrived = found.map(({ last }) => last.length);
    await turn();
    return found.map((one, index) => ({ ...one, last: one.last.slice(0, arrived[index]) }));
  });
}

function look(
  channel: AmqpChannel,
  { queue, first, second }: EndsWanted,
): { readonly found: Promise<EndsFound>; readonly begun: Promise<void> } {
  const found = { first: [] as AmqpMessage[], at: [] as AmqpMessage[], last: [] as AmqpMessage[] };
  let began = (): void => undefined;
  let failed = (_error: Error): void => undefined;
  const begun = new Promise<void>((resolve, reject) => {
    began = resolve;
    failed = reject;
  });
  begun.catch(() => undefined); // the requests below fail as well, and first
  const read = async (into: AmqpMessage[], from: StreamStart, prefetch: number): Promise<void> => {
    const take = (message: AmqpMessage | null): void => {
      if (message === null) return failed(new Error('the broker ended the reader'));
      into.push(message);
      if (from === 'last') began();
    };
    await consumeStream(channel, queue, from, prefetch, take);
  };
  const readers = [
    ...(first ? [read(found.first, 'first', few)] : []),
    ...(second === undefined ? [] : [read(found.at, { '!': 'timestamp', value: second }, few)]),
    read(found.last, 'last', lookAhead),
  ];
  return { found: Promise.all(readers).then(() => found), begun };
}

async function begins(
  begun: Promise<void>,
  mend: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const patience = AbortSignal.timeout(patienceMs);
  try {
    await abortable(begun, patience);
  } catch (error) {
    if (!patience.aborted || signal.aborted) throw error;
    await mend();
    await begun;
  }
}

/** The offset of the last message. */
export async function lastOffset(
  connection: Connection,
  what: string,
  queue: string,
  mend: (queue: string) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const tried = `read the end of ${what}`;
  const [ends] = await readEnds(connection, tried, [{ queue, first: false }], mend, signal);
  return Math.max(-1, ...(ends?.last ?? []).map(offsetOf));
}
