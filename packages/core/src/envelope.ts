/** CloudEvents 1.0 attributes: made once, by the publisher, and never changed on the way. Frozen. */
export type Attributes = Readonly<Record<string, string>> & {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: string;
};

/** What a publisher knows of a document. What is `undefined` is left out of the envelope. */
export interface NewAttributes {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly datacontenttype: string;
  readonly subject?: string | undefined;
  readonly dataschema?: string | undefined;
  readonly partitionkey?: string | undefined;
  readonly correlationid?: string | undefined;
  readonly causationid?: string | undefined;
}

/** Puts an envelope's attributes together. Trusts its arguments: see `checkAttributes`. */
export function makeAttributes(
  known: NewAttributes,
  extensions?: Readonly<Record<string, string>>,
): Attributes {
  const attributes: Record<string, string> = {
    specversion: '1.0',
    id: known.id,
    source: known.source,
    type: known.type,
    time: known.time,
    datacontenttype: known.datacontenttype,
  };
  if (known.subject !== undefined) attributes['subject'] = known.subject;
  if (known.dataschema !== undefined) attributes['dataschema'] = known.dataschema;
  if (known.partitionkey !== undefined) attributes['partitionkey'] = known.partitionkey;
  if (known.correlationid !== undefined) attributes['correlationid'] = known.correlationid;
  if (known.causationid !== undefined) attributes['causationid'] = known.causationid;
  if (extensions !== undefined) Object.assign(attributes, extensions);
  return Object.freeze(attributes) as Attributes;
}

/** Names that `extensions` must not use, with the option that sets them. */
const ownNames: ReadonlyMap<string, string> = new Map([
  ['specversion', 'it is always 1.0'],
  ['id', 'use the option id'],
  ['source', 'it is set by connect'],
  ['type', 'use the option type'],
  ['time', 'use the option time'],
  ['subject', 'use the option subject'],
  ['datacontenttype', "it is the contentType of the topic's codec"],
  ['dataschema', "use the topic's option dataschema"],
  ['partitionkey', 'use the option key'],
  ['correlationid', 'use the option correlationId'],
  ['causationid', 'use the option causationId'],
  ['data', 'it is the document'],
]);

/** @throws TypeError for what CloudEvents does not allow as the name or value of an extension attribute. */
export function checkExtensions(extensions: unknown): asserts extensions is Record<string, string> {
  if (typeof extensions !== 'object' || extensions === null || Array.isArray(extensions)) {
    throw new TypeError('publish: extensions must be an object of strings');
  }
  for (const [name, value] of Object.entries(extensions)) {
    const own = ownNames.get(name);
    if (own !== undefined) throw new TypeError(`publish: '${name}' is not an extension: ${own}`);
    if (!isAttributeName(name) || name.length > 20) {
      throw new TypeError(
        `publish: '${name.slice(0, 40)}' cannot be the name of an extension: use 1 to 20 of a-z and 0-9`,
      );
    }
    checkText(`extension '${name}'`, value, 0);
  }
}

/** @throws TypeError for attributes that CloudEvents 1.0 does not allow. Names may be longer than 20 characters. */
export function checkAttributes(
  attributes: Readonly<Record<string, unknown>>,
): asserts attributes is Attributes {
  if (attributes['specversion'] !== '1.0') {
    throw new TypeError(`specversion must be '1.0', got ${shown(attributes['specversion'])}`);
  }
  for (const name of ['id', 'type']) checkText(name, attributes[name], 1);
  checkSource(attributes['source']);
  for (const [name, value] of Object.entries(attributes)) {
    if (!isAttributeName(name)) {
      throw new TypeError(`'${name.slice(0, 40)}' is no attribute name: use a-z and 0-9`);
    }
    checkText(name, value, nonEmpty.has(name) ? 1 : 0);
  }
  if (attributes['time'] !== undefined) checkTime(attributes['time']);
}

const nonEmpty: ReadonlySet<string> = new Set([
  'subject',
  'dataschema',
  'datacontenttype',
  'partitionkey',
]);

/** The characters of a URI reference (RFC 3986): percent signs only in front of two hex digits. */
const uriReference = /^(?:[\w\-.~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;

/** @throws TypeError unless it is a non-empty URI reference. */
export function checkSource(source: unknown): asserts source is string {
  if (typeof source !== 'string' || source === '') {
    throw new TypeError(
      `source must be a URI reference that names the publisher, e.g. '/shop/orders', got ${shown(source)}`,
    );
  }
  if (source.length > 1024 || !uriReference.test(source)) {
    throw new TypeError(
      'source must be a URI reference of at most 1,024 characters: no spaces, other than ASCII letters percent-encoded',
    );
  }
}

const rfc3339 =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** @throws TypeError unless it is a timestamp as of RFC 3339. */
export function checkTime(time: unknown, name = 'time'): asserts time is string {
  if (typeof time !== 'string' || !rfc3339.test(time)) {
    throw new TypeError(
      `${name} must be a Date or an RFC 3339 timestamp, e.g. '2026-11-01T12:00:00Z', got ${shown(time)}`,
    );
  }
}

/** @throws TypeError unless it is a string that CloudEvents allows, with at least so many characters. */
export function checkText(name: string, value: unknown, atLeast: 0 | 1): asserts value is string {
  if (typeof value !== 'string' || value.length < atLeast) {
    throw new TypeError(
      `${name} must be a ${atLeast === 1 ? 'non-empty ' : ''}string, got ${shown(value)}`,
    );
  }
  if (!isPlainText(value)) {
    throw new TypeError(`${name} must not hold control characters or unpaired surrogates`);
  }
}

/** Whether CloudEvents allows the string as a value: no control characters, and it survives UTF-8. */
export function isPlainText(value: string): boolean {
  let surrogates = false;
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
    if (code >= 0xd800 && code < 0xe000) surrogates = true;
  }
  return !surrogates || (value as string & { isWellFormed(): boolean }).isWellFormed();
}

/** Whether it consists of a-z and 0-9. */
export function isAttributeName(name: string): boolean {
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (!((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39))) return false;
  }
  return name.length > 0;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`;
  return value === null ? 'null' : typeof value;
}
