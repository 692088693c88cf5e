import { type Codec, bytes } from '@duobus/core';

/** A document as its bytes, and what its publisher says of it. */
export interface Envelope {
  readonly name: string;
  readonly codec: Codec;
  readonly body: Uint8Array;
  readonly key?: string;
  readonly options?: {
    readonly type?: string;
    readonly subject?: string;
    readonly time?: string;
    readonly correlationId?: string;
    readonly causationId?: string;
    readonly extensions?: Readonly<Record<string, string>>;
  };
}

/** Bytes as they are, whatever they are said to be. */
const as = (contentType: string): Codec => ({
  contentType,
  encode: (body) => body as Uint8Array,
  decode: (data) => new Uint8Array(data),
});

const jsonText = as('application/json');
const plainText = as('text/plain');

/** With the attributes of any of these: the default limit of a topic, in bytes. */
const limit = 184_320;
const roomForAttributes = 1_024;

const everything = 'ä ß 漢字 العربية 🙂 \u{10ffff} é  ​ "quoted" \\ \' <&> %00 %';

export const envelopes: readonly Envelope[] = [
  { name: 'an ordinary document', codec: jsonText, body: Buffer.from('{"orderId":"1"}') },
  { name: 'no bytes', codec: bytes, body: new Uint8Array() },
  { name: 'one zero byte', codec: bytes, body: Uint8Array.of(0) },
  { name: 'every byte', codec: bytes, body: Uint8Array.from({ length: 256 }, (_, n) => n) },
  { name: 'bytes that are not UTF-8', codec: plainText, body: Uint8Array.of(0xff, 0xfe, 0xc0) },
  { name: 'text', codec: plainText, body: Buffer.from(`${everything}\r\n\t\u0000\u007f`) },
  { name: 'text that looks like base64', codec: plainText, body: Buffer.from('aGVsbG8=') },
  {
    name: 'JSON with its own spaces, numbers and escapes',
    codec: jsonText,
    body: Buffer.from(
      ' { "a" : 1.0e+2 , "b":-0, "c":12345678901234567890123, "a":"\\u00e4\\/", "__proto__":{} }\n',
    ),
  },
  { name: 'JSON that is a string', codec: jsonText, body: Buffer.from(JSON.stringify(everything)) },
  { name: 'JSON that is null', codec: jsonText, body: Buffer.from('null') },
  {
    name: 'text in every attribute that takes it',
    codec: jsonText,
    body: Buffer.from('[]'),
    key: `key ${everything}`,
    options: {
      type: `type ${everything}`,
      subject: `subject ${everything}`,
      time: '2026-02-28T23:59:60.123456789+05:30',
      correlationId: `correlation ${everything}`,
      causationId: `causation ${everything}`,
      extensions: { a: everything, z9: ' ', empty: '', abcdefghijklmnopqrst: '0' },
    },
  },
  {
    name: 'an attribute of every type of CloudEvents',
    codec: bytes,
    body: Buffer.from('x'),
    options: {
      extensions: {
        boolean: 'true',
        integer: '-2147483648',
        string: 'null',
        binary: 'AAECAw==',
        uri: 'https://example.org/a?b=c#d',
        uriref: '../a%20b',
        timestamp: '1985-04-12T23:20:50.52Z',
      },
    },
  },
  {
    name: 'attributes that look like something else',
    codec: bytes,
    body: Buffer.from('y'),
    key: '00',
    options: {
      extensions: { datacontent: 'text/html', tostring: 'x', constructor: 'y' },
    },
  },
  {
    name: 'bytes close to the limit',
    codec: bytes,
    body: Uint8Array.from({ length: limit - roomForAttributes }, (_, n) => (n * 7919) % 256),
  },
  {
    name: 'text close to the limit, which JSON makes six times as large',
    codec: plainText,
    body: Buffer.alloc(limit - roomForAttributes, 1),
  },
];
