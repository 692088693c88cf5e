import type { Binding } from './binding.ts';
import { checkAttributes, type Attributes } from './envelope.ts';
import { BusError } from './errors.ts';
import type { Prepared } from './prepare.ts';
import type { AnyTopic } from './topic.ts';

/** A document that has been encoded, with its attributes: what a publish hands to the broker. */
export interface Envelope {
  readonly attributes: Attributes;
  readonly data: Uint8Array;
}

/** An envelope that was made elsewhere, ready for the broker.
 *  @throws BusError DUOBUS_INVALID with outcome 'rejected' */
export function prepareEnvelope(
  topic: AnyTopic,
  { attributes, data }: Envelope,
  binding: Binding,
): Prepared {
  try {
    checkAttributes(attributes);
    if (!(data instanceof Uint8Array)) throw new TypeError('data must be a Uint8Array');
  } catch (cause) {
    const said = (cause as Error).message;
    throw new BusError('DUOBUS_INVALID', `publish to topic '${topic.name}': ${said}`, {
      cause,
      outcome: 'rejected',
      context: { topic: topic.name },
    });
  }
  const { id, type, partitionkey: key } = attributes;
  let bytes = data.length;
  for (const name of Object.keys(attributes))
    bytes += name.length + Buffer.byteLength(attributes[name] as string);
  return { id, key, type, record: { key, ...binding.encode(attributes, data) }, bytes };
}
