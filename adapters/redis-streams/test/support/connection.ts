import { testUrl } from '@duobus/brokers';
import { Connection } from '../../src/connection.ts';
import { optionsOfUrl, type RedisStreamsOptions, settingsOf } from '../../src/options.ts';

/** Everything in these tests is over long before. */
export const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

/** A connection to the server the tests are given, or to another. */
export async function openConnection(
  options: RedisStreamsOptions = {},
  url: string = testUrl('redis'),
  signal: AbortSignal = soon(),
): Promise<Connection & AsyncDisposable> {
  const connection = new Connection(settingsOf({ ...optionsOfUrl(url), ...options }));
  await connection.open(signal);
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.close() });
}
