import { randomUUID } from 'node:crypto';
import { PublishCommand } from '@aws-sdk/client-sns';
import {
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { leasesOf } from './queue-lease.ts';
import type { Scope } from './queue-scope.ts';
import { giveBackUnseen } from './queue-settle.ts';
import { probed, text, toName } from './record-codec.ts';

/** How long one probe may take before it counts as lost. */
const roundMs = 3_000;
/** What is received for somebody who dies over it comes back soon. */
const visibilityMs = 5_000;

export interface Probing {
  readonly scope: Scope;
  readonly topicArn: string;
  /** Whether the subscription is still being made, and not yet anybody's. */
  isMaking(signal: AbortSignal): Promise<boolean>;
}

/**
 * Resolves when what is published arrives: what SNS and SQS are told takes effect some time later, and nothing else says
 * that it has. Probes go to this queue alone.
 */
export async function probe(probing: Probing, signal: AbortSignal): Promise<void> {
  const { probes } = probing.scope.connection.settings;
  for (let inARow = 0; inARow < probes; ) {
    signal.throwIfAborted();
    await publishProbe(probing, signal);
    const outcome = await arrival(probing, signal);
    if (outcome === 'over') return;
    inARow = outcome === 'arrived' ? inARow + 1 : 0;
  }
}

async function publishProbe({ scope, topicArn }: Probing, signal: AbortSignal): Promise<void> {
  const { connection, uid, ordered, what } = scope;
  await connection.sns(
    new PublishCommand({
      TopicArn: topicArn,
      Message: 'duobus: is this subscription in effect?',
      MessageAttributes: { [toName]: text(uid) },
      ...(ordered ? { MessageGroupId: 'probe', MessageDeduplicationId: randomUUID() } : {}),
    }),
    signal,
    `probe subscription ${what}`,
  );
}

/** `over`: somebody else has made the subscription, or removes it. */
async function arrival(
  probing: Probing,
  signal: AbortSignal,
): Promise<'arrived' | 'missing' | 'over'> {
  const { scope } = probing;
  const until = performance.now() + roundMs;
  do {
    const asked = { at: performance.now(), visibilityMs };
    const messages = await receive(scope, signal);
    const isProbe = ({ MessageAttributes }: Message): boolean =>
      probed(MessageAttributes) !== undefined;
    const probes = messages.filter(isProbe);
    const documents = messages.filter((message) => !isProbe(message));
    await discard(scope, probes, signal);
    if (documents.length > 0 || messages.length === 0) {
      const making = await probing.isMaking(signal);
      // Asked after they came: whoever makes it has not been told yet that it is made, so they were published before.
      if (making) await discard(scope, documents, signal);
      else await giveBackUnseen(scope, await leasesOf(scope, documents, asked, signal), signal);
      if (!making) return 'over';
    }
    // one of somebody who makes it at the same time shows the same
    if (probes.some(({ MessageAttributes }) => probed(MessageAttributes) === scope.uid))
      return 'arrived';
  } while (performance.now() < until);
  return 'missing';
}

async function receive(scope: Scope, signal: AbortSignal): Promise<readonly Message[]> {
  const { connection, queueUrl, what } = scope;
  const { Messages = [] } = await connection.poll(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      WaitTimeSeconds: 1,
      VisibilityTimeout: visibilityMs / 1_000,
      MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId', 'SentTimestamp'],
      MessageAttributeNames: ['All'],
    }),
    signal,
    `probe subscription ${what}`,
  );
  return Messages;
}

async function discard(
  scope: Scope,
  messages: readonly Message[],
  signal: AbortSignal,
): Promise<void> {
  if (messages.length === 0) return;
  const command = new DeleteMessageBatchCommand({
    QueueUrl: scope.queueUrl,
    Entries: messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
  });
  // a probe that stays is deleted by whoever meets it
  await scope.connection.sqs(command, signal, `probe subscription ${scope.what}`);
}
