import { BusError, type StoredTopic } from '@duobus/core/driver';
import type { Connection, ScriptArgument } from './connection.ts';
import type { Script } from './script.ts';

/** The tag of an event topic: what all its keys begin with. */
export const eventTag = (topic: Pick<StoredTopic, 'name'>): string => `{duobus:e:${topic.name}}`;

/** Rung with the number of a partition in which there is something to read, or * where members should look around. */
export const eventChannel = (topic: Pick<StoredTopic, 'name'>): string => `duobus:e:${topic.name}`;

/** `gone`: the subscription no longer exists. `lost`: the member, or its ownership of a partition, is over. */
export interface Answer {
  readonly status: 'ok' | 'gone' | 'lost';
  readonly values: readonly unknown[];
}

/** One subscription, as members know it. */
export class Scope {
  readonly connection: Connection;
  readonly topic: StoredTopic;
  readonly name: string;
  /** Tells it from others of its name, before and after. */
  readonly uid: string;
  readonly tag: string;

  constructor(connection: Connection, topic: StoredTopic, name: string, uid: string) {
    this.connection = connection;
    this.topic = topic;
    this.name = name;
    this.uid = uid;
    this.tag = eventTag(topic);
  }

  get what(): string {
    return `'${this.name}' of topic '${this.topic.name}'`;
  }

  async run(code: Script, args: readonly ScriptArgument[], tried: string): Promise<Answer> {
    const about = `${tried} subscription ${this.what}`;
    const all = [this.name, this.uid, ...args];
    return answerOf(await this.connection.run('commands', code, [this.tag], all, about));
  }

  /** As `run`, with Buffers for strings but for the status. */
  async runBuffer(code: Script, args: readonly ScriptArgument[], tried: string): Promise<Answer> {
    const about = `${tried} subscription ${this.what}`;
    const all = [this.name, this.uid, ...args];
    return answerOf(await this.connection.runBuffer('commands', code, [this.tag], all, about));
  }
}

export function answerOf(reply: unknown): Answer {
  const [status, ...values] = reply as readonly unknown[];
  return { status: String(status) as Answer['status'], values };
}

export function subscriptionGone(topic: string, name: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `Redis: topic '${topic}' has no subscription '${name}'; subscribe to make it`,
    { context: { topic, name } },
  );
}
