import { BusError, type Outcome, type OutboundRecord, type Place } from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { refuse, rejected } from './stored.ts';

/** Stores one record after the other, unless the broker refuses it, is full, or has been told to fail. */
export function publishAll(
  broker: MemoryBroker,
  records: readonly OutboundRecord[],
  nullable: boolean,
  add: (record: OutboundRecord) => Place | void,
): readonly Outcome[] {
  return records.map((record) => {
    const refused = refuse(record, broker.limits, nullable) ?? full(broker);
    if (refused !== undefined) return refused;
    const fault = broker.takeFault();
    if (fault?.outcome === 'rejected') return rejected(injected('rejected'));
    const place = fault === undefined || fault.stored ? add(record) : undefined;
    if (fault !== undefined) return { status: 'unknown', error: injected('unknown') };
    return place === undefined ? { status: 'stored' } : { status: 'stored', place };
  });
}

function full(broker: MemoryBroker): Outcome | undefined {
  if (broker.bytes < broker.limits.maxBytes) return undefined;
  const message = `memory broker ${broker.name} is full: it holds ${broker.bytes} bytes and may hold ${broker.limits.maxBytes} (maxBytes of memory())`;
  return rejected(
    new BusError('DUOBUS_REJECTED', message, { retryable: true, outcome: 'rejected' }),
  );
}

function injected(outcome: 'rejected' | 'unknown'): BusError {
  const message = `the memory broker was told to answer this publish with '${outcome}'`;
  return new BusError('DUOBUS_UNAVAILABLE', message, { retryable: true, outcome });
}
