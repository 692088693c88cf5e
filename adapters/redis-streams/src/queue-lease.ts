import type { Leased } from '@duobus/core/driver';
import { decodeRecord, isOurs } from './record-codec.ts';

/** `l`: in the log of the topic. `o`: in the stream of what was redriven to one subscription alone. */
export type Kind = 'l' | 'o';

/** Whose consumer a document is pending for: a member's, or that of the owner of a partition. */
export interface Hold {
  readonly partition: number;
  /** '' where order is 'none'. */
  readonly token: string;
  /** So many of its documents are settled, or have left it otherwise. */
  freed(count: number): void;
}

export type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

/** A document that is not settled yet; its own token. */
export class Lease implements Leased {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array | null;
  readonly redelivered: boolean;
  readonly state: string | undefined;
  readonly token: Lease;
  readonly hold: Hold;
  readonly kind: Kind;
  readonly id: string;
  /** How many subscriptions have to settle it; 0 where it does not say. */
  readonly subscriptions: number;
  /** The server keeps a state with it. */
  hasState: boolean;
  settled = false;

  constructor(hold: Hold, kind: Kind, entry: Entry, redelivered: boolean, state?: string) {
    const [id, fields] = entry;
    const ours = isOurs(fields);
    const { key, headers, body } = decodeRecord(fields, ours ? 4 : 0);
    this.key = key;
    this.headers = headers;
    this.body = body;
    this.redelivered = redelivered;
    this.state = state;
    this.token = this;
    this.hold = hold;
    this.kind = kind;
    this.id = id.toString('latin1');
    this.subscriptions = ours ? Number(fields[3]?.toString('latin1')) : 0;
    this.hasState = state !== undefined;
  }
}
