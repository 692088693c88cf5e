import { testUrl } from '@duobus/brokers';
import { Connection } from '../../src/connection.ts';
import { optionsOfUrl, settingsOf, type SnsSqsOptions } from '../../src/options.ts';

/** Everything in these tests is over long before. */
export const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

/** Of the emulator that the tests are given. */
export const endpoint = (): string => optionsOfUrl(testUrl('sns-sqs')).endpoint ?? '';

/** For the emulator, with times that tests can wait for. */
export function newConnection(options: SnsSqsOptions = {}): Connection {
  return new Connection(
    settingsOf({
      ...optionsOfUrl(testUrl('sns-sqs')),
      visibilityMs: 2_000,
      pollMs: 1_000,
      ...options,
    }),
  );
}
