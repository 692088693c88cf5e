import type { StoredTopic } from '@duobus/core/driver';

/*
 * Every key, and every channel. What is in braces decides the slot of a cluster: what a script touches has the same
 * there. Names are of A-Z a-z 0-9 . _ - alone, so nothing else can be read into a key.
 */

/** The records of all topics: `kind:name` to JSON. */
export const topicsKey = '{duobus}:topics';

/** The keys of one partition of a data topic. */
export interface PartitionKeys {
  /** The stream. */
  readonly log: string;
  /** Where it begins and ends, and how large it is. */
  readonly meta: string;
  /** Sizes of pieces of the stream, oldest first, so that retention need not read what it removes. */
  readonly sizes: string;
  /** What each publisher has stored last. */
  readonly publishers: string;
  /** Compacted topics: the newest record of every key. */
  readonly newest: string;
  /** Compacted topics: records that only say that a key is gone, oldest first. */
  readonly removals: string;
}

export function partitionKeys(topic: StoredTopic, partition: number): PartitionKeys {
  const tag = `{duobus:d:${topic.name}:${partition}}`;
  return {
    log: `${tag}:log`,
    meta: `${tag}:meta`,
    sizes: `${tag}:sizes`,
    publishers: `${tag}:publishers`,
    newest: `${tag}:newest`,
    removals: `${tag}:removals`,
  };
}

/** Rung at every append, with the number of the partition. */
export const appendedChannel = (topic: StoredTopic): string => `duobus:d:${topic.name}`;

/** Keys of the groups of a data topic. */
export interface GroupsKeys {
  /** Which incarnation of the topic they belong to, and the last version of a cell. */
  readonly meta: string;
  readonly names: string;
}

const groupsTag = (topic: StoredTopic): string => `{duobus:g:${topic.name}}`;

export function groupsKeys(topic: StoredTopic): GroupsKeys {
  return { meta: `${groupsTag(topic)}:meta`, names: `${groupsTag(topic)}:names` };
}

/** The cells of a group. */
export const cellsKey = (topic: StoredTopic, group: string): string =>
  `${groupsTag(topic)}:cells:${group}`;

/** Rung when a group's members should look at its cells. */
export const cellsChannel = (topic: StoredTopic, group: string): string =>
  `duobus:g:${topic.name}:${group}`;
