import type { Leased } from '@duobus/core/driver';
import type { AmqpMessage } from './client.ts';
import type { Consumer } from './consumer.ts';
import type { Note } from './lock.ts';
import { decodeRecord, wasHandedOut } from './record-codec.ts';

/** A delivery that has not been settled yet; its own token. */
export class Lease implements Leased {
  readonly key: undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
  redelivered: boolean;
  state: string | undefined;
  readonly token: Lease;
  readonly message: AmqpMessage;
  readonly consumer: Consumer;
  settled = false;
  /** Order 'key': where it comes from. */
  partition: number | undefined;
  /** Order 'key': what is kept about it in the lock queue. */
  note: Note | undefined;
  /** Order 'key': if it goes back like this, somebody who held it may have died of it. */
  suspect: boolean;

  constructor(message: AmqpMessage, consumer: Consumer) {
    const { headers, state } = decodeRecord(message);
    this.key = undefined;
    this.headers = headers;
    this.body = message.content;
    this.redelivered = wasHandedOut(message);
    this.state = state;
    this.token = this;
    this.message = message;
    this.consumer = consumer;
    this.partition = undefined;
    this.note = undefined;
    this.suspect = false;
  }

  get tag(): number {
    return this.message.fields.deliveryTag;
  }

  /** It can still be settled. */
  get held(): boolean {
    return !this.settled && this.consumer.alive;
  }
}
