import type { StoredTopic } from '@duobus/core/driver';

/*
 * What is rung in the one channel of a data topic. All of it is hints.
 */

/** A partition has records up to before `end`. */
export const appendedRing = (partition: number, end: number): string => `log/${partition}/${end}`;
/** A partition begins later than before. */
export const startRing = (partition: number): string => `start/${partition}`;
/** Cells of a group have changed. */
export const cellsRing = (group: string): string => `cells/${group}`;
/** The record of the topic has changed. */
export const topicRing = 'topic';

/** The channel of a data topic, unless the driver is told another name. */
export const channelOf = ({ name }: StoredTopic): string => name;

const appended = /^log\/(\d{1,10})\/(\d{1,16})$/;

export function parseAppended(
  message: string,
): { readonly partition: number; readonly end: number } | undefined {
  const match = appended.exec(message);
  return match === null ? undefined : { partition: Number(match[1]), end: Number(match[2]) };
}
