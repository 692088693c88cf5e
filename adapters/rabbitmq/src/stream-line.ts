import type { AmqpMessage } from './client.ts';

/** When a line was written, by the clock of who wrote it: streams tell AMQP 0-9-1 readers no time. */
export const writtenHeader = 'duobus-at';

/** One message of a stream that duobus keeps for itself. */
export interface Line {
  readonly offset: number;
  readonly type: string | undefined;
  readonly id: string | undefined;
  readonly body: Buffer;
  readonly writtenAt: number | undefined;
}

/** The place of a message in its stream; -1 for what does not come from one. */
export function offsetOf({ properties }: AmqpMessage): number {
  const offset = properties.headers?.['x-stream-offset'];
  return typeof offset === 'number' ? offset : -1;
}

export function writtenAt({ properties }: AmqpMessage): number | undefined {
  const at = properties.headers?.[writtenHeader];
  return typeof at === 'number' ? at : undefined;
}

export function lineOf(message: AmqpMessage): Line {
  const { type, messageId } = message.properties;
  return {
    offset: offsetOf(message),
    type,
    id: messageId,
    body: message.content,
    writtenAt: writtenAt(message),
  };
}
