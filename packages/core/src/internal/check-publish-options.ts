import type { Delivery } from '../delivery.ts';
import { checkExtensions, checkText, checkTime } from '../envelope.ts';
import type { DocumentToPublish, PublishOptions } from '../publish-options.ts';
import { checkOptions } from './check-options.ts';
import { checkSignal } from './check-values.ts';

/** The names of PublishOptions. */
export const publishOptionNames: readonly (keyof PublishOptions)[] = [
  'id',
  'type',
  'subject',
  'time',
  'key',
  'correlationId',
  'causationId',
  'cause',
  'extensions',
  'signal',
];

/** @throws TypeError for options that `publish` does not take; `key` and `type` are judged with their topic. */
export function checkPublishOptions(options: PublishOptions): void {
  checkOptions('publish', options, publishOptionNames);
  const { id, type, subject, correlationId, causationId, time, extensions, cause } = options;
  checkSignal('publish', options.signal);
  if (id !== undefined) checkText('publish: id', id, 1);
  if (type !== undefined) checkText('publish: type', type, 1);
  if (subject !== undefined) checkText('publish: subject', subject, 1);
  if (correlationId !== undefined) checkText('publish: correlationId', correlationId, 1);
  if (causationId !== undefined) checkText('publish: causationId', causationId, 1);
  if (time !== undefined && !isDate(time)) checkTime(time, 'publish: time');
  if (extensions !== undefined) checkExtensions(extensions);
  checkCause('publish', cause);
}

/** @throws TypeError unless it is `undefined` or a delivery. */
export function checkCause(call: string, cause: unknown): void {
  if (cause === undefined || typeof (cause as Delivery | null)?.attributes?.id === 'string') return;
  throw new TypeError(`${call}: cause must be a delivery, as handlers get it`);
}

function isDate(time: unknown): time is Date {
  return time instanceof Date && !Number.isNaN(time.getTime());
}

/** Whether an entry of `publishMany` is a document with options of its own, rather than a document. */
export function isDocumentToPublish(entry: unknown): entry is DocumentToPublish<unknown> {
  if (typeof entry !== 'object' || entry === null || !('document' in entry)) return false;
  return Object.keys(entry).every((name) => name === 'document' || name === 'options');
}
