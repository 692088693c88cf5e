import type { BusOptions } from '../bus.ts';
import { checkSource } from '../envelope.ts';
import { checkStore } from '../idempotence.ts';
import { checkOptions } from './check-options.ts';
import { checkInteger, checkOneOf } from './check-values.ts';

/** The names of the options of a bus. */
export const busOptions: readonly (keyof BusOptions)[] = [
  'source',
  'topology',
  'publishTimeoutMs',
  'publishBuffer',
  'settleIntervalMs',
  'stuckAfterMs',
  'neglectedAfterMs',
  'graceMs',
  'connectTimeoutMs',
  'maxClockSkewMs',
  'store',
  'instrument',
];

/** Times in ms with the least that makes sense. */
const times = [
  ['publishTimeoutMs', 1],
  ['settleIntervalMs', 0],
  ['stuckAfterMs', 1],
  ['neglectedAfterMs', 1],
  ['graceMs', 0],
  ['connectTimeoutMs', 1],
  ['maxClockSkewMs', 0],
] as const;

/** @throws TypeError for values that a bus does not take. */
export function checkBusOptions(
  call: string,
  options: Partial<BusOptions>,
): asserts options is BusOptions {
  const { source, topology, publishBuffer, store, instrument } = options;
  if (source === undefined) {
    throw new TypeError(
      `${call}: source is missing: say who publishes, e.g. connect(url, { source: '/shop/orders' })`,
    );
  }
  checkSource(source);
  checkOneOf(call, 'topology', topology, ['create', 'check']);
  for (const [name, least] of times)
    checkInteger(call, name, options[name], least, Number.MAX_SAFE_INTEGER);
  const { documents, bytes } = checkOptions(`${call}: publishBuffer`, publishBuffer, [
    'documents',
    'bytes',
  ]);
  checkInteger(call, 'publishBuffer.documents', documents, 1, Number.MAX_SAFE_INTEGER);
  checkInteger(call, 'publishBuffer.bytes', bytes, 1, Number.MAX_SAFE_INTEGER);
  if (store !== undefined) checkStore(store);
  if (instrument !== undefined && (typeof instrument !== 'object' || instrument === null)) {
    throw new TypeError(`${call}: instrument must be an object with publish, handle or event`);
  }
  for (const hook of ['publish', 'handle', 'event'] as const) {
    if (instrument?.[hook] !== undefined && typeof instrument[hook] !== 'function')
      throw new TypeError(`${call}: instrument.${hook} must be a function`);
  }
}
