import type { LogRecord, OutboundRecord } from '@duobus/core/driver';
import type { AmqpMessage } from './client.ts';
import type { Sending } from './publisher.ts';
import { bodyOf, decodeRecord, encodeRecord } from './record-codec.ts';
import { offsetOf, writtenAt, writtenHeader } from './stream-line.ts';

const genesisType = 'duobus.genesis';
/** Compacted topics only: elsewhere the key is an attribute of the document. */
const keyHeader = 'duobus-key';
/** Compacted topics only: the key has been removed. */
const removedHeader = 'duobus-removed';

/** What a stream begins with. */
export function genesisRecord(queue: string): Sending {
  const options = {
    persistent: true,
    type: genesisType,
    headers: { [writtenHeader]: Date.now() },
  };
  return { exchange: '', routingKey: queue, body: Buffer.alloc(0), options };
}

export function isGenesis({ properties }: AmqpMessage): boolean {
  return properties.type === genesisType;
}

/** A record on its way into the stream of its partition, with the time at which it is handed to the broker. */
export function sendingOf(
  queue: string,
  record: OutboundRecord,
  compacted: boolean,
  now: number,
): Sending {
  const options = encodeRecord(record);
  const headers = options.headers as Record<string, unknown>;
  headers[writtenHeader] = now;
  if (compacted && record.key !== undefined) headers[keyHeader] = record.key;
  if (record.body === null) headers[removedHeader] = true;
  return { exchange: '', routingKey: queue, body: bodyOf(record), options };
}

/** `earlier` is the time of the record before it, for messages that were not written by duobus. */
export function logRecord(message: AmqpMessage, earlier: number): LogRecord {
  const { headers } = decodeRecord(message);
  const offset = offsetOf(message);
  const time = writtenAt(message) ?? earlier;
  const key = headers[keyHeader];
  const removed = headers[removedHeader] === true;
  delete headers['x-stream-offset'];
  delete headers[writtenHeader];
  delete headers[keyHeader];
  delete headers[removedHeader];
  return {
    offset,
    time,
    key: typeof key === 'string' ? key : undefined,
    headers,
    body: removed ? null : message.content,
  };
}

export function sizeOf({ content }: AmqpMessage): number {
  return content.length + 256; // headers take about that much
}
