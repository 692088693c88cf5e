import type { Codec } from './codec.ts';
import { checkTopicOptions } from './names.ts';
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.ts';
import type { Retention } from './topic-record.ts';

/** What a topic can say about itself. Whatever is not given adopts what the broker has stored. */
export interface TopicOptions<In = unknown> {
  /** The key of a document: documents with one key are handled in order, one at a time (data bus always, event bus
   *  where `order` is 'key'). Default: no key. */
  readonly key?: (document: In) => string | undefined;
  /** Order on the event bus. Default 'none'. The data bus always keeps order by key. */
  readonly order?: 'none' | 'key';
  /** Partitions (data bus, and event bus where `order` is 'key'). Default 4; at least 1, at most 1,024. */
  readonly partitions?: number;
  /** How long the data bus keeps documents. */
  readonly retention?: Partial<Retention>;
  /** Largest document in bytes, body and attributes together. Default 184,320 (180 KiB): what every broker takes. */
  readonly maxBytes?: number;
  /** Document to bytes and back. Default JSON; `bytes` passes a Uint8Array through untouched. */
  readonly codec?: Codec;
  /** What to do with a document of a type the topic does not list. Default 'dead': a dead letter. */
  readonly unknownType?: 'dead' | 'skip';
  /** CloudEvents `dataschema` of every document. Default none. */
  readonly dataschema?: string;
}

/** What the documents of a topic are. */
export interface TopicTypeOptions {
  /** What a document must be, as a Standard Schema. Default: any document. */
  readonly schema?: StandardSchema;
  /** CloudEvents type of every document. Default: the name of the topic. */
  readonly type?: string;
  /** Instead of `schema` and `type`: several CloudEvents types, each with its schema. Default: one type. */
  readonly types?: Readonly<Record<string, StandardSchema>>;
}

export interface Topic<In = unknown, Out = In, Types extends TypeMap = TypeMap> {
  readonly name: string;
  readonly options: TopicOptions<In>;
  /** CloudEvents type to schema. `undefined`: any document. One entry unless made with `types`. */
  readonly types: ReadonlyMap<string, StandardSchema | undefined>;
  /** Types only: never set. */
  readonly _in?: (document: In) => void;
  /** Types only: never set. */
  readonly _out?: Out;
  /** Types only: never set. */
  readonly _types?: Types;
}

/** Any topic, whatever its documents are. */
export type AnyTopic = Topic<never, unknown>;

/** What a handler gets of a topic, or of one of several topics. */
export type OutOf<T extends AnyTopic | readonly AnyTopic[]> = T extends readonly (infer One extends
  AnyTopic)[]
  ? OutOf<One>
  : T extends Topic<never, infer Out>
    ? Out
    : never;

/** The types of a topic made with `types`; `never` for others. */
export type TypesOf<T extends AnyTopic | readonly AnyTopic[]> =
  T extends readonly (infer One extends AnyTopic)[]
    ? TypesOf<One>
    : T extends Topic<never, unknown, infer Types>
      ? string extends keyof Types
        ? never
        : Types
      : never;

/** For each CloudEvents type what is published and what its handler gets. */
export type TypeMap = Record<string, { readonly in: unknown; readonly out: unknown }>;

type MapOf<S extends Record<string, StandardSchema>> = {
  [K in keyof S & string]: { in: SchemaInput<S[K]>; out: SchemaOutput<S[K]> };
};

/** A topic whose documents are described by several schemas, one for each CloudEvents type.
 *  @example topic('orders', { key: (o) => o.orderId, types: { 'order.placed': Placed, 'order.paid': Paid } }) */
export function topic<const S extends Record<string, StandardSchema>>(
  name: string,
  options: TopicOptions<SchemaInput<S[keyof S]>> & { readonly types: S },
): Topic<SchemaInput<S[keyof S]>, SchemaOutput<S[keyof S]>, MapOf<S>>;
/** A topic whose documents are described by a schema (any Standard Schema). */
export function topic<S extends StandardSchema>(
  name: string,
  options: TopicOptions<SchemaInput<S>> & { readonly schema: S; readonly type?: string },
): Topic<SchemaInput<S>, SchemaOutput<S>>;
/** A topic whose documents are described by a TypeScript type alone: nothing is checked when it runs.
 *  @example topic<OrderPlaced>('orders', { key: (order) => order.orderId }) */
export function topic<T>(
  name: string,
  options?: TopicOptions<T> & { readonly type?: string },
): Topic<T, T>;
export function topic(
  name: string,
  options: TopicOptions<never> & TopicTypeOptions = {},
): Topic<never, unknown> {
  checkTopicOptions(name, options);
  const { schema, types, type, ...rest } = options;
  const map =
    types === undefined ? new Map([[type ?? name, schema]]) : new Map(Object.entries(types));
  return Object.freeze({ name, options: Object.freeze(rest), types: map });
}

/** Whether a topic says nothing about its types: then it takes documents of any. */
export function anyType(topic: AnyTopic): boolean {
  return (
    topic.types.size === 1 &&
    topic.types.has(topic.name) &&
    topic.types.get(topic.name) === undefined
  );
}
