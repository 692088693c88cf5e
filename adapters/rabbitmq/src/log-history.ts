import {
  abortable,
  BusError,
  type LogRecord,
  type Place,
  type ReadResult,
} from '@duobus/core/driver';
import type { Links } from './folded-stream.ts';
import type { LogEnds } from './log-ends.ts';
import { classify } from './native-errors.ts';
import { StreamCursor } from './stream-cursor.ts';

/** A cursor that nobody goes on with for so long is closed. */
const idleMs = 5_000;
const mostIdle = 16;
/** Who asks for less wants a record or two, and does not come back. */
const smallBytes = 64 * 1024;
const smallWindow = 8;

interface Session {
  readonly queue: string;
  cursor: StreamCursor;
  /** The end that was seen last. */
  end: Place;
  wake: () => void;
  reason: Error | undefined;
  idleSince: number;
}

interface Limits {
  readonly maxBytes: number;
  readonly maxWaitMs: number;
}

/** Reads pieces of streams. Who reads on where it has stopped gets the same cursor, as setting one up takes several requests. */
export class LogHistory {
  readonly #links: Links;
  readonly #ends: LogEnds;
  readonly #idle: Session[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(links: Links, ends: LogEnds) {
    this.#links = links;
    this.#ends = ends;
  }

  /** @throws BusError DUOBUS_POSITION_GONE where `from` is not kept, or beyond the end. */
  async read(queue: string, from: Place, limits: Limits, signal: AbortSignal): Promise<ReadResult> {
    const session =
      this.#resume(queue, from.offset) ?? (await this.#open(queue, from, limits, signal));
    let kept = false;
    try {
      const result = await this.#take(session, limits, signal);
      kept = limits.maxBytes >= smallBytes && session.cursor.alive;
      return result;
    } catch (error) {
      signal.throwIfAborted();
      throw classify(error, `read '${queue}'`);
    } finally {
      session.wake = () => undefined;
      if (kept) this.#keep(session);
      else void session.cursor.close();
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const { cursor } of this.#idle.splice(0)) void cursor.close();
  }

  async #take(session: Session, limits: Limits, signal: AbortSignal): Promise<ReadResult> {
    const { cursor } = session;
    const deadline = Date.now() + limits.maxWaitMs;
    for (let looked = false; ; ) {
      const before = cursor.next;
      const records = cursor.take(limits.maxBytes);
      if (records.length > 0) return this.#result(session, records);
      if (cursor.next > before) continue;
      if (cursor.gap) {
        await this.#lookIntoGap(session, signal);
        continue;
      }
      const behind = cursor.next < session.end.offset;
      const leftMs = deadline - Date.now();
      if (!behind && leftMs > 0) {
        await this.#arrival(session, leftMs, signal);
        if (cursor.empty) return this.#result(session, []);
        looked = false;
      } else if (behind) await this.#arrival(session, undefined, signal);
      else if (looked) return this.#result(session, []);
      else {
        session.end = (await this.#bounds(session.queue, signal)).end;
        looked = true;
      }
    }
  }

  #result(session: Session, records: readonly LogRecord[]): ReadResult {
    const { cursor, end } = session;
    const offset = cursor.next;
    const time = records.at(-1)?.time ?? end.time;
    return { records, next: { offset, time }, atEnd: cursor.empty && offset >= end.offset };
  }

  async #open(queue: string, from: Place, limits: Limits, signal: AbortSignal): Promise<Session> {
    const { first, end } = await this.#bounds(queue, signal);
    if (from.offset < first.offset || from.offset > end.offset)
      throw gone(queue, from.offset, first.offset, end.offset);
    const session: Omit<Session, 'cursor'> = {
      queue,
      end,
      wake: () => undefined,
      reason: undefined,
      idleSince: 0,
    };
    const events = {
      arrived: () => session.wake(),
      ended: (reason: Error | undefined) => {
        session.reason = reason ?? new Error('the broker ended the reader');
        session.wake();
      },
    };
    const window = limits.maxBytes < smallBytes ? smallWindow : undefined;
    const cursor = await StreamCursor.open(
      this.#links.consume(),
      queue,
      from.offset,
      events,
      signal,
      window,
    );
    return Object.assign(session, { cursor });
  }

  async #lookIntoGap(session: Session, signal: AbortSignal): Promise<void> {
    const { cursor, queue } = session;
    const { first, end } = await this.#bounds(queue, signal);
    if (first.offset > cursor.next) {
      await cursor.close();
      throw gone(queue, cursor.next, first.offset, end.offset);
    }
    cursor.stepOver();
  }

  async #bounds(queue: string, signal: AbortSignal): Promise<{ first: Place; end: Place }> {
    const [bounds] = await this.#ends.bounds([queue], signal);
    if (bounds === undefined) throw new BusError('DUOBUS_BUG', 'a stream has no ends');
    return bounds;
  }

  async #arrival(session: Session, ms: number | undefined, signal: AbortSignal): Promise<void> {
    if (session.cursor.empty && session.cursor.alive) {
      let timer: NodeJS.Timeout | undefined;
      const arrived = new Promise<void>((resolve) => {
        session.wake = resolve;
        if (ms !== undefined) timer = setTimeout(resolve, ms).unref();
      });
      try {
        await abortable(arrived, signal);
      } finally {
        clearTimeout(timer);
      }
    }
    if (!session.cursor.alive) throw classify(session.reason, `read '${session.queue}'`);
  }

  #resume(queue: string, offset: number): Session | undefined {
    const index = this.#idle.findIndex(
      (session) =>
        session.queue === queue && session.cursor.next === offset && session.cursor.alive,
    );
    return index < 0 ? undefined : this.#idle.splice(index, 1)[0];
  }

  #keep(session: Session): void {
    session.idleSince = Date.now();
    // who follows a log may come back for hours, and the broker ends who keeps messages for long
    session.cursor.acknowledge();
    this.#idle.push(session);
    if (this.#idle.length > mostIdle) void this.#idle.shift()?.cursor.close();
    this.#timer ??= setInterval(() => this.#sweep(), idleMs).unref();
  }

  #sweep(): void {
    const before = Date.now() - idleMs;
    for (const session of this.#idle.splice(0)) {
      if (session.idleSince < before) void session.cursor.close();
      else this.#idle.push(session);
    }
    if (this.#idle.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function gone(queue: string, offset: number, first: number, end: number): BusError {
  return new BusError(
    'DUOBUS_POSITION_GONE',
    `RabbitMQ: offset ${String(offset)} is not in '${queue}', which holds what is from ${String(first)} to before ${String(end)}: retention has passed it, or the log ends before it`,
    { context: { queue, offset, first, end } },
  );
}
