import type { Handle } from '../handle.ts';
import type { ManualClock } from './manual-clock.ts';

export interface Watched {
  readonly clock: ManualClock;
  readonly handles: Iterable<Handle>;
  /** How many documents have been stored. */
  readonly stored: () => number;
}

/** Looks in a row that must find nothing to do, and nothing changed. */
const quietLooks = 4;
/** Steps of the clock for what waits for a fuller batch or the end of an interval, and their sum at most. */
const stepMs = 10;
const longestMs = 200;
const patienceMs = 5000;

interface Busy {
  readonly name: string;
  readonly running: number;
  readonly buffered: number;
}

/** Resolves when handlers have nothing to do. Time goes on by at most 200 ms, so that intervals of the runtime end. */
export async function untilIdle({ clock, handles, stored }: Watched): Promise<void> {
  const deadline = Date.now() + patienceMs;
  let last = '';
  let quiet = 0;
  let advanced = 0;
  while (quiet < quietLooks) {
    await clock.settle();
    const busy = busyOnes(handles);
    const seen = `${stored()} ${fingerprint(handles)}`;
    const unchanged = seen === last;
    last = seen;
    const waiting = busy.length > 0 || (unsettled(handles) && advanced < longestMs);
    quiet = !waiting && unchanged ? quiet + 1 : 0;
    if (busy.some(({ running }) => running > 0)) {
      await oneMillisecond();
    } else if (waiting && unchanged && advanced < longestMs) {
      await clock.advance(stepMs);
      advanced += stepMs;
    }
    if (Date.now() > deadline) throw notIdle(busy);
  }
}

function busyOnes(handles: Iterable<Handle>): readonly Busy[] {
  const busy: Busy[] = [];
  for (const handle of handles) {
    if (handle.state !== 'running') continue;
    const { running, buffered } = handle.stats();
    if (running > 0 || buffered > 0) busy.push({ name: handle.name, running, buffered });
  }
  return busy;
}

/** Whether the broker has not yet been told of something that is handled. */
function unsettled(handles: Iterable<Handle>): boolean {
  for (const handle of handles) {
    const { handled, deadLettered, settled } = handle.stats();
    if (handle.state === 'running' && settled < handled + deadLettered) return true;
  }
  return false;
}

function fingerprint(handles: Iterable<Handle>): string {
  return JSON.stringify([...handles].map((handle) => [handle.state, handle.stats()]));
}

/** Of real time: for handlers that wait for something outside. */
function oneMillisecond(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 1);
  });
}

function notIdle(busy: readonly Busy[]): Error {
  const list = busy.map(
    ({ name, running, buffered }) => `'${name}' has ${running} running and ${buffered} waiting`,
  );
  return new Error(
    `idle: not after ${patienceMs} ms: ${list.join('; ')}. Does a handler wait for the clock? Then advance it`,
  );
}
