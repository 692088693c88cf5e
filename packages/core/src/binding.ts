import type { Attributes } from './envelope.ts';
import type { InboundRecord } from './driver.ts';

/** Attributes and data as they are on the wire. */
export interface Wire {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** How a broker carries CloudEvents: pure, the same for every document. */
export interface Binding {
  encode(attributes: Attributes, data: Uint8Array): Wire;
  /** Throws DUOBUS_DECODE for what is not a CloudEvent, with a reason that helps to find its publisher. */
  decode(record: InboundRecord): { readonly attributes: Attributes; readonly data: Uint8Array };
}
