import type { InboundRecord } from '../driver.ts';
import type { Attributes } from '../envelope.ts';
import { BusError } from '../errors.ts';

/**
 * What a broker's client gives as the value of a header or attribute, as CloudEvents' canonical string; `undefined`
 * where it has none. Of a repeated header the last counts.
 */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return textOfBytes(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  if (Array.isArray(value)) return textOf(value.at(-1));
  if (value instanceof Date) return timeOf(value.getTime());
  return textOfTimestamp(value);
}

function textOfBytes(value: Uint8Array): string {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = buffer.toString('utf8');
  // The replacement character: either not UTF-8, then it is CloudEvents' type Binary, or somebody's own.
  if (text.includes('\ufffd') && !Buffer.from(text).equals(buffer))
    return buffer.toString('base64');
  return text;
}

/** amqplib gives AMQP timestamps as `{ '!': 'timestamp', value: seconds }`. */
function textOfTimestamp(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { '!': type, value: seconds } = value as { '!'?: unknown; value?: unknown };
  return type === 'timestamp' ? timeOf(Number(seconds) * 1000) : undefined;
}

function timeOf(ms: number): string | undefined {
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/**
 * The attributes of a received document, if it has those that CloudEvents 1.0 requires.
 * @param hint where they should have been
 * @throws BusError DUOBUS_DECODE
 */
export function received(
  attributes: Record<string, string>,
  record: Pick<InboundRecord, 'headers' | 'body'>,
  hint: string,
): Attributes {
  const { specversion, id, source, type } = attributes as Partial<Record<string, string>>;
  if (specversion === '1.0' && id && source && type) return Object.freeze(attributes) as Attributes;
  throw new BusError('DUOBUS_DECODE', reasonFor(attributes, record, hint), {
    context: { id, source, type, specversion },
  });
}

function reasonFor(
  attributes: Readonly<Partial<Record<string, string>>>,
  record: Pick<InboundRecord, 'headers' | 'body'>,
  hint: string,
): string {
  const { specversion } = attributes;
  const missing = ['specversion', 'id', 'source', 'type'].filter((name) => !attributes[name]);
  if (missing.length === 4) {
    const headers = Object.keys(record.headers)
      .slice(0, 10)
      .map((name) => name.slice(0, 40));
    const has =
      headers.length === 0 ? 'it has no headers' : `its headers are ${headers.join(', ')}`;
    return `not a CloudEvent (${record.body?.length ?? 0} bytes): ${hint}; ${has}. What published it?`;
  }
  const of = ['id', 'source', 'type']
    .flatMap((name) => (attributes[name] ? [`${name} '${attributes[name].slice(0, 200)}'`] : []))
    .join(', ');
  if (missing.length > 0)
    return `not a CloudEvent: ${missing.join(', ')} missing or empty; ${hint} (${of})`;
  return `a CloudEvent of version '${String(specversion).slice(0, 20)}', duobus reads 1.0 (${of})`;
}
