import {
  BusError,
  type InboundRecord,
  type Outcome,
  type OutboundRecord,
} from '@duobus/core/driver';
import type { BrokerLimits } from './options.ts';

/** A document as the broker keeps it: nobody outside has these bytes. */
export interface Stored {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
  readonly bytes: number;
  readonly at: number;
}

export function store(record: OutboundRecord, at: number): Stored {
  const body = record.body === null ? null : record.body.slice();
  return { key: record.key, headers: { ...record.headers }, body, bytes: sizeOf(record), at };
}

/** A copy to hand out, so that no consumer sees what another does with its bytes. */
export function copy(stored: Stored): InboundRecord {
  const body = stored.body === null ? null : stored.body.slice();
  return { key: stored.key, headers: { ...stored.headers }, body };
}

/** Why a record cannot be stored whatever happens, if so. */
export function refuse(
  record: OutboundRecord,
  limits: BrokerLimits,
  nullable: boolean,
): Outcome | undefined {
  const bytes = sizeOf(record);
  if (bytes > limits.maxDocumentBytes) {
    return rejected(
      new BusError(
        'DUOBUS_TOO_LARGE',
        `the document has ${bytes} bytes, this memory broker takes ${limits.maxDocumentBytes}: raise maxDocumentBytes of memory()`,
        { outcome: 'rejected', context: { bytes, maxDocumentBytes: limits.maxDocumentBytes } },
      ),
    );
  }
  if (record.body === null && !nullable) {
    return rejected(
      new BusError('DUOBUS_INVALID', 'only compacted topics take a record without a body', {
        outcome: 'rejected',
      }),
    );
  }
  return undefined;
}

export function rejected(error: BusError): Outcome {
  return { status: 'rejected', error };
}

function sizeOf(record: OutboundRecord): number {
  let bytes = record.body?.byteLength ?? 0;
  for (const [name, value] of Object.entries(record.headers)) bytes += name.length + value.length;
  return bytes;
}
