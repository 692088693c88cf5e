import type { Delivery } from './delivery.ts';

export interface PublishOptions {
  /** CloudEvents id. Default: a new UUIDv7. Publish again with the same id after an `unknown` outcome. */
  readonly id?: string;
  /** CloudEvents type. Default: the topic's; required where the topic has several. */
  readonly type?: string;
  /** CloudEvents subject. Default none. */
  readonly subject?: string;
  /** CloudEvents time. Default: now, by this process's clock. */
  readonly time?: Date | string;
  /** Replaces the topic's key for this document. */
  readonly key?: string;
  /** What the document belongs to. Default: that of `cause`, else the document's own id. */
  readonly correlationId?: string;
  /** Id of the document that led to this one. Default: that of `cause` itself, else none. */
  readonly causationId?: string;
  /** Takes over correlation and sets causation from a delivery. Default: the one whose handler is running. */
  readonly cause?: Delivery;
  /** More CloudEvents extension attributes: names of a-z and 0-9, at most 20 characters. */
  readonly extensions?: Readonly<Record<string, string>>;
  /** Gives up waiting: publish rejects with its reason. The document may be stored all the same: publish it again with
   *  the same id. */
  readonly signal?: AbortSignal;
}

/** What a resolved publish says. Plain JSON: it can be stored and used in another process. */
export interface Receipt {
  readonly v: 1;
  readonly topic: string;
  readonly id: string;
  readonly partition: number;
  /** When the publish began, in ms, by this process's clock. */
  readonly time: number;
  /** Data bus, where the broker's confirm carries it. */
  readonly position?: string;
}

export type PublishResult =
  | { readonly status: 'fulfilled'; readonly receipt: Receipt }
  | { readonly status: 'rejected'; readonly reason: unknown };

/** One of `publishMany`: a document, or one with options of its own. */
export interface DocumentToPublish<In> {
  /** What is published. */
  readonly document: In;
  /** As those of `publish`, for this one. Default: none. */
  readonly options?: Omit<PublishOptions, 'signal'>;
}
