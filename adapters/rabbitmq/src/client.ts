/*
 * The subset of amqplib that is used, so that no types of the client are in ours. amqplib 2 satisfies it.
 */

export interface AmqpProperties {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly headers?: Record<string, unknown> | undefined;
  readonly priority?: number | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  readonly messageId?: string | undefined;
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  readonly appId?: string | undefined;
}

export interface AmqpMessage {
  readonly content: Buffer;
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean };
  readonly properties: AmqpProperties;
}

export interface AmqpPublishOptions extends AmqpProperties {
  readonly persistent?: boolean;
  readonly mandatory?: boolean;
}

type Arguments = Readonly<Record<string, unknown>>;
type Listener = (...args: never[]) => void;

export interface AmqpQueueInfo {
  readonly queue: string;
  readonly messageCount: number;
  readonly consumerCount: number;
}

export interface AmqpChannel {
  on(event: string, listener: Listener): unknown;
  close(): Promise<void>;
  assertQueue(
    queue: string,
    options?: { durable?: boolean; arguments?: Arguments },
  ): Promise<AmqpQueueInfo>;
  checkQueue(queue: string): Promise<AmqpQueueInfo>;
  deleteQueue(queue: string): Promise<unknown>;
  bindQueue(queue: string, exchange: string, routingKey: string): Promise<unknown>;
  assertExchange(exchange: string, type: string, options?: { durable?: boolean }): Promise<unknown>;
  checkExchange(exchange: string): Promise<unknown>;
  prefetch(count: number, global?: boolean): Promise<unknown>;
  consume(
    queue: string,
    onMessage: (message: AmqpMessage | null) => void,
    options?: { consumerTag?: string; arguments?: Arguments },
  ): Promise<{ readonly consumerTag: string }>;
  /** What amqplib itself calls when a request to consume is answered. */
  registerConsumer?(consumerTag: string, onMessage: (message: AmqpMessage | null) => void): unknown;
  cancel(consumerTag: string): Promise<unknown>;
  ack(message: never, allUpTo?: boolean): void;
  nack(message: never, allUpTo?: boolean, requeue?: boolean): void;
}

export interface AmqpConfirmChannel extends AmqpChannel {
  publish(
    exchange: string,
    routingKey: string,
    content: Buffer,
    options: never,
    confirmed: (error: Error | null) => void,
  ): boolean;
}

export interface AmqpConnection {
  on(event: string, listener: Listener): unknown;
  close(): Promise<void>;
  createChannel(): Promise<AmqpChannel>;
  createConfirmChannel(): Promise<AmqpConfirmChannel>;
  /** amqplib's raw connection. Its stream is destroyed when a dead peer would keep the process alive. */
  readonly connection: unknown;
}
