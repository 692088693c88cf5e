import type { BusOptions, Cause, ConsumeOptions, From, Receipt, TopicOptions } from '@duobus/core';

/** What the suite publishes. The run's id keeps documents of other runs apart, on brokers that are not empty. */
export interface Doc {
  readonly run: string;
  readonly n: number;
  readonly key?: string;
  readonly text?: string;
  readonly ask?: Ask;
}

/** What a document asks of its handlers, who may be in other processes. */
export interface Ask {
  /** The one subscription or group that is asked. Default: all. */
  readonly in?: string;
  /** So many attempts throw. */
  readonly fails?: number;
  /** Each attempt takes so long. */
  readonly slowMs?: number;
  /** Handed out for the first time to the consumer of this name, it is held until that dies. */
  readonly heldBy?: string;
}

/** Options of a topic that can be told to another process: the key is always the document's own. */
export type PlainTopicOptions = Pick<
  TopicOptions<Doc>,
  'order' | 'partitions' | 'retention' | 'maxBytes'
> & { readonly keyed?: boolean };

export interface PlainTopic {
  readonly name: string;
  readonly options: PlainTopicOptions;
}

export type Kind = 'event' | 'data';

/** How a consumer treats documents: what can be told to another process. */
export interface Script {
  /** Never returns for these (by number). */
  readonly hang?: readonly number[];
  /** Throws this often for these. */
  readonly fail?: Readonly<Record<number, number>>;
  /** After how long they come again, in ms. Default: as the backoff says, which is random. */
  readonly againMs?: number;
  readonly delayMs?: number;
  /** Its name, for documents that ask for it. */
  readonly who?: string;
}

export interface ConsumeSpec {
  readonly kind: Kind;
  readonly topic: PlainTopic;
  readonly name: string;
  readonly script?: Script;
  readonly options?: Omit<ConsumeOptions, 'signal'> & {
    readonly from?: From;
    readonly commitIntervalMs?: number;
  };
}

/** A document about to be published: its id is known before the broker says anything. */
export interface Outgoing {
  readonly id: string;
  readonly document: Doc;
}

/** What became of one, as it can be told to another process. `info`: it may have been stored. */
export type Published =
  | { readonly type: 'ok'; readonly receipt: Receipt }
  | { readonly type: 'fail' | 'info'; readonly message: string };

/** One hand-over, as told by who got it. */
export interface Handed {
  readonly run: string;
  readonly id: string;
  readonly n: number;
  readonly key: string | undefined;
  readonly digest: string;
  readonly whole: string;
  readonly attempt: number;
  readonly cause: Cause;
  readonly redelivered: boolean;
  readonly partition: number;
  readonly position: string | undefined;
  readonly epoch: number;
}

/** To the child: answered by a `Reply` with the same number. */
export type Request = { readonly call: number } & (
  | {
      readonly do: 'connect';
      readonly url: string;
      readonly adapter?: string;
      readonly options: BusOptions;
      readonly adapterOptions?: Readonly<Record<string, unknown>>;
    }
  | { readonly do: 'consume'; readonly consumer: string; readonly spec: ConsumeSpec }
  | {
      readonly do: 'publish';
      readonly kind: Kind;
      readonly topic: PlainTopic;
      readonly documents: readonly Outgoing[];
    }
  | {
      readonly do: 'reset';
      readonly topic: PlainTopic;
      readonly group: string;
      readonly to: From;
      readonly graceMs: number;
    }
  | { readonly do: 'close'; readonly consumer: string }
  | { readonly do: 'answer' }
  | { readonly do: 'end' }
);

/** From the child. */
export type Message =
  | {
      readonly what: 'reply';
      readonly call: number;
      readonly value?: unknown;
      readonly error?: { readonly message: string; readonly code?: string };
    }
  | {
      readonly what: 'handed';
      readonly consumer: string;
      readonly delivery: number;
      readonly handed: Handed;
    }
  | {
      readonly what: 'ended';
      readonly consumer: string;
      readonly delivery: number;
      readonly type: 'ok' | 'fail' | 'info';
    };
