import {
  CreateTopicCommand,
  PublishBatchCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { type Contender, type Handle, type Setting } from '../contender.ts';
import type { BenchDocument } from '../document.ts';
import { eventOf } from './ioredis.ts';

const perRequest = 10;
const requests = 8;

/** Where the emulator answers, and what it takes for credentials. */
export function configOf(url: string): {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
} {
  const { host } = new URL(url);
  return {
    region: 'us-east-1',
    endpoint: `http://${host}`,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
}

/** A subscription by hand: PublishBatch of ten to SNS, a queue of SQS, received and deleted in tens, eight requests at once. */
export function awsContender({ url, run }: Setting): Contender {
  const sns = new SNSClient(configOf(url));
  const sqs = new SQSClient(configOf(url));
  const polling = new SQSClient(configOf(url));
  let topic = '';
  let queue = '';
  const publisher = new Tens((bodies) => publishTen(sns, topic, bodies));
  return {
    async open() {
      topic = (await sns.send(new CreateTopicCommand({ Name: `raw-${run}` }))).TopicArn ?? '';
      queue = (await sqs.send(new CreateQueueCommand({ QueueName: `raw-${run}` }))).QueueUrl ?? '';
      await sns.send(
        new SubscribeCommand({
          TopicArn: topic,
          Protocol: 'sqs',
          Endpoint: topic.replace(':sns:', ':sqs:'),
          Attributes: { RawMessageDelivery: 'true' },
        }),
      );
    },
    publish: (document) => publisher.add(eventOf(document)),
    consume: (handle) => consumeFrom(polling, sqs, queue, handle),
    async close() {
      await sqs.send(new DeleteQueueCommand({ QueueUrl: queue }));
      for (const client of [sns, sqs, polling]) client.destroy();
    },
  };
}

async function publishTen(sns: SNSClient, topic: string, bodies: readonly string[]): Promise<void> {
  const reply = await sns.send(
    new PublishBatchCommand({
      TopicArn: topic,
      PublishBatchRequestEntries: bodies.map((Message, at) => ({ Id: String(at), Message })),
    }),
  );
  if ((reply.Failed ?? []).length > 0) throw new Error('SNS has refused some');
}

async function consumeFrom(
  polling: SQSClient,
  sqs: SQSClient,
  QueueUrl: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const stopping = new AbortController();
  const poll = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { Messages = [] } = await polling.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: perRequest,
          WaitTimeSeconds: 1,
        }),
      );
      for (const message of Messages) await handle(documentOf(message));
      if (Messages.length > 0)
        await sqs.send(
          new DeleteMessageBatchCommand({
            QueueUrl,
            Entries: Messages.map(({ ReceiptHandle }, at) => ({ Id: String(at), ReceiptHandle })),
          }),
        );
    }
  };
  const polls = Array.from({ length: requests }, poll);
  return async () => {
    stopping.abort();
    await Promise.all(polls);
  };
}

function documentOf({ Body }: Message): BenchDocument {
  const event = JSON.parse(Body ?? '') as { type?: string; id?: string; data: BenchDocument };
  if (event.type !== 'bench.order' || typeof event.id !== 'string')
    throw new Error('not one of ours');
  return event.data;
}

interface Waiting {
  readonly body: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Sends what is added in the same turn in tens, some requests at once. */
class Tens {
  readonly #send: (bodies: readonly string[]) => Promise<void>;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #scheduled = false;

  constructor(send: (bodies: readonly string[]) => Promise<void>) {
    this.#send = send;
  }

  add(body: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ body, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#pump();
      });
    });
  }

  #pump(): void {
    while (this.#running < requests && this.#waiting.length > 0) {
      const ten = this.#waiting.splice(0, perRequest);
      this.#running += 1;
      this.#send(ten.map(({ body }) => body))
        .then(
          () => ten.forEach(({ resolve }) => resolve()),
          (error: unknown) => ten.forEach(({ reject }) => reject(error)),
        )
        .finally(() => {
          this.#running -= 1;
          this.#pump();
        });
    }
  }
}
