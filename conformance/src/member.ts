import type { Bus, Delivery, From, ResetResult } from '@duobus/core';
import type { Consumer } from './consumer.ts';
import type { ConsumeSpec, Doc, Kind, Outgoing, PlainTopic, Published } from './protocol.ts';

/** What a consumer in this process can do beside following a script. */
export type LocalHandler = (document: Doc, delivery: Delivery) => unknown;

/** One process that uses the buses: a bus here, or a child process with a bus of its own. */
export interface Member {
  readonly id: string;
  readonly remote: boolean;
  consume(spec: ConsumeSpec): Promise<Consumer>;
  /** In the order given, without waiting for one before the next. */
  publish(
    kind: Kind,
    topic: PlainTopic,
    documents: readonly Outgoing[],
  ): Promise<readonly Published[]>;
  reset(topic: PlainTopic, group: string, to: From): Promise<ResetResult>;
  /** How its consumers are, a line each, where that can be told. */
  states(): readonly string[];
  /** Resolves when everything it has told so far is in the history. */
  sync(): Promise<void>;
  /** Dies: SIGKILL, or cut off with everything unsettled. */
  crash(): Promise<void>;
  /** Stands still until `thaw`: SIGSTOP, or dies where it cannot. */
  freeze(): Promise<void>;
  /** Goes on, and has handled what was due then when it resolves. */
  thaw(): Promise<void>;
  close(): Promise<void>;
}

export interface LocalMember extends Member {
  readonly remote: false;
  readonly bus: Bus;
  consume(spec: ConsumeSpec, handler?: LocalHandler, abort?: 'fail' | 'info'): Promise<Consumer>;
}
