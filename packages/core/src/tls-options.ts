import type { ConnectionOptions } from 'node:tls';
import type { OptionReader } from './option-reader.ts';
import type { TlsOptions } from './secret.ts';
import type { Source } from './secrets.ts';

/** TLS as `node:tls` takes it, with what functions have answered. */
export type Tls = Pick<
  ConnectionOptions,
  'ca' | 'cert' | 'key' | 'pfx' | 'passphrase' | 'servername' | 'rejectUnauthorized'
>;

type Name = keyof TlsOptions;

export const tlsNames: readonly Name[] = [
  'ca',
  'caFile',
  'cert',
  'key',
  'pfx',
  'passphrase',
  'servername',
  'rejectUnauthorized',
];

/** @throws TypeError for options that make no sense */
export function tlsOf(reader: OptionReader<Name>): Source<Tls> {
  const given = reader.bytes('ca');
  const file = reader.file('caFile');
  if (given !== undefined && file !== undefined)
    throw reader.wrong('give either tls.ca or tls.caFile, not both');
  const ca = file ?? given?.map(asNodeTakesIt);
  const servername = reader.text('servername', undefined);
  const rejectUnauthorized = reader.flag('rejectUnauthorized', undefined);
  const fixed: Tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
  const sources = {
    cert: reader.secretBytes('cert'),
    key: reader.secretBytes('key'),
    pfx: reader.secretBytes('pfx'),
    passphrase: reader.secret('passphrase'),
  };
  const parts = Object.entries(sources).flatMap(([name, source]) =>
    source === undefined ? [] : [{ name, source }],
  );
  return {
    asks: parts.some(({ source }) => source.asks),
    async read() {
      const values = parts.map(
        async ({ name, source }) => [name, asNodeTakesIt(await source.read())] as const,
      );
      return { ...fixed, ...Object.fromEntries(await Promise.all(values)) };
    },
  };
}

/** Buffers of what is not text. */
function asNodeTakesIt(value: string | Uint8Array): string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : Buffer.from(value);
}
