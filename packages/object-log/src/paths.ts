import type { StoredTopic } from '@duobus/core/driver';

/** The keys of all objects of a data topic begin with it. */
export function topicPrefix(root: string, { name, incarnation }: StoredTopic): string {
  return `${root}data/${name}/${incarnation}/`;
}

export function groupsPrefix(root: string, topic: StoredTopic): string {
  return `${topicPrefix(root, topic)}groups/`;
}

const digits = 16;

/** The keys of the objects of one partition. */
export class PartitionPaths {
  /** Segments: the newest is listed first, as a key is the complement of the first offset. */
  readonly log: string;
  /** Where the log begins. */
  readonly start: string;
  /** Who has looked after it last, and how far. */
  readonly upkeep: string;

  constructor(root: string, topic: StoredTopic, partition: number) {
    const prefix = `${topicPrefix(root, topic)}${String(partition).padStart(4, '0')}/`;
    this.log = `${prefix}log/`;
    this.start = `${prefix}start`;
    this.upkeep = `${prefix}upkeep`;
  }

  segment(first: number): string {
    return this.log + String(Number.MAX_SAFE_INTEGER - first).padStart(digits, '0');
  }

  /** The first offset of a segment. */
  firstOf(key: string): number {
    return Number.MAX_SAFE_INTEGER - Number(key.slice(this.log.length));
  }
}
