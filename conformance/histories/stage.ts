import type { Setting as CaseSetting } from '../src/context.ts';

export type Setting = Omit<CaseSetting, 'random'>;

/** Where histories take place. */
export interface Stage extends AsyncDisposable {
  readonly name: string;
  /** How many at a time make sense. */
  readonly concurrency: number;
  /** Lends what one of them needs. */
  set<T>(play: (setting: Setting) => Promise<T>): Promise<T>;
}

let runs = 0;

/** A name for what one process does, which no other has. */
export function runName(): string {
  runs += 1;
  return `h${Date.now().toString(36).slice(-6)}${process.pid.toString(36)}${runs.toString(36)}`;
}
