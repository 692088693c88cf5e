import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { nowMs, type Sighting } from './sighting.ts';

type Line = Omit<Sighting, 'endedMs'> | { readonly n: number; readonly endedMs: number };

/** Appends without delay: what is written outlives SIGKILL. */
export class EventLog {
  readonly #file: number;
  #lines = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** Returns the number to end it with. */
  began(sighting: Sighting): number {
    const { endedMs: _, ...line } = sighting;
    this.#write(line);
    this.#lines += 1;
    return this.#lines - 1;
  }

  ended(n: number): void {
    this.#write({ n, endedMs: nowMs() });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
}

/** @throws SyntaxError for a line that is no JSON; a last line cut off by the end of its process is no event. */
export function readEventLog(text: string): Sighting[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const sightings: Sighting[] = [];
  for (const line of whole.split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line) as Line;
    if (!('n' in event)) {
      sightings.push({ ...event, position: event.position, endedMs: undefined });
      continue;
    }
    const begun = sightings[event.n];
    if (begun === undefined) throw new SyntaxError(`event log: ${event.n} ended and never began`);
    begun.endedMs = event.endedMs;
  }
  return sightings;
}

export function readEventLogs(paths: readonly string[]): Sighting[] {
  return paths
    .flatMap((path) => readEventLog(readFileSync(path, 'utf8')))
    .toSorted((a, b) => a.beganMs - b.beganMs);
}
