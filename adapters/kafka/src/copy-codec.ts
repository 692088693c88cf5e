import {
  BusError,
  type InboundRecord,
  type LogRecord,
  type OutboundRecord,
} from '@duobus/core/driver';

const stateHeader = 'duobus-state';
const dueHeader = 'duobus-due';
const versionHeader = 'duobus-v';
const version = '1';

/** What a copy in a subscription's own topic says besides the document. */
export interface CopyMarks {
  readonly state: string;
  /** Not to be handed out before, in ms since 1970. */
  readonly due: number;
}

/** A record as it goes into a subscription's own topic, to be tried again or kept as a dead letter. */
export function encodeCopy(record: InboundRecord, { state, due }: CopyMarks): OutboundRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(record.headers)) headers[name] = textOf(value);
  headers[versionHeader] = version;
  headers[stateHeader] = state;
  headers[dueHeader] = String(due);
  return { key: record.key, headers, body: record.body };
}

/** The record without what the copy says about it. @throws BusError DUOBUS_DECODE for an unknown version */
export function decodeCopy(copy: LogRecord): {
  readonly record: InboundRecord;
  readonly marks: CopyMarks;
} {
  const { [versionHeader]: v, [stateHeader]: state, [dueHeader]: due, ...headers } = copy.headers;
  if (textOf(v) !== version)
    throw new BusError(
      'DUOBUS_DECODE',
      `a subscription's own topic holds a record of version '${textOf(v)}' at offset ${copy.offset}, this version of duobus reads 1: upgrade this process`,
    );
  return {
    record: { key: copy.key, headers, body: copy.body },
    marks: { state: textOf(state), due: Number(textOf(due)) || 0 },
  };
}

/** Header values are bytes where Kafka gave them. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : '';
}
