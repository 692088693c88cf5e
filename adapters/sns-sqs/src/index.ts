import type { Adapter } from '@duobus/core';
import { type AwsNative, Connection } from './connection.ts';
import { makeLogDriver } from './log-driver.ts';
import { optionsOfUrl, settingsOf, type SnsSqsOptions } from './options.ts';
import { SnsSqsQueueDriver } from './queue-driver.ts';

export type { AwsNative } from './connection.ts';
export type { AwsCredentials, SnsSqsOptions } from './options.ts';

/** URL scheme of this adapter: `sns+sqs://eu-central-1/my-bucket`, or `sns+sqs://127.0.0.1:4566` for an emulator. */
export const schemes: readonly string[] = ['sns+sqs'];

/** Both buses on Amazon SNS, SQS and S3. Nothing is connected before `connect` asks for it.
 *  @example const bus = await connect(snsSqs({ region: 'eu-central-1', bucket: 'my-bucket' }), { source: '/shop/orders' })
 *  @throws TypeError for options that make no sense */
export function snsSqs(options: SnsSqsOptions = {}): Adapter<AwsNative> {
  const settings = settingsOf(options);
  const events = new Connection(settings);
  return {
    name: 'sns-sqs',
    queue: new SnsSqsQueueDriver(events, events.native),
    log: makeLogDriver(new Connection(settings)),
  };
}

/** What `connect('sns+sqs://eu-central-1/my-bucket')` calls. Options win over what the URL says. */
export function createAdapter(config: {
  readonly url: string;
  readonly options?: Readonly<Record<string, unknown>>;
}): Adapter<AwsNative> {
  return snsSqs({ ...optionsOfUrl(config.url), ...config.options });
}
