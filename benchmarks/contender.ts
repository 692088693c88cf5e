import type { AdapterName, BusKind } from './arguments.ts';
import type { BenchDocument } from './document.ts';

export interface Setting {
  readonly adapter: AdapterName;
  readonly bus: BusKind;
  readonly url: string;
  /** Part of every name made in the broker. */
  readonly run: string;
}

export type Handle = (document: BenchDocument) => void | Promise<void>;

/** Two that do the same work: duobus, and the broker's client used by hand. */
export interface Contender {
  /** Connects and makes a topic with one subscription or group that holds what is published from now on. */
  open(): Promise<void>;
  /** Resolves when the broker has confirmed the document. */
  publish(document: BenchDocument): Promise<unknown>;
  /** Hands every document to `handle`; resolves to a function that settles what was handled and ends consuming. */
  consume(handle: Handle): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export const partitions = 4;
export const prefetch = 300;
