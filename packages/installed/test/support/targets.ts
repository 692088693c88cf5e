import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { adapterNames, type BrokerKind, isLeftOut, testUrl } from '@duobus/brokers';
import { root } from './packages.ts';

export interface Target {
  readonly adapter: string;
  /** Throws where no broker is there. */
  url(): string;
  /** The address of another adapter's broker. */
  readonly foreign: string;
}

const kinds = new Map(
  Object.entries(adapterNames).map(([kind, adapter]) => [adapter, kind as BrokerKind]),
);

/** Every adapter there is, less those that a narrowed run leaves out. */
export const targets: readonly Target[] = readdirSync(join(root, 'adapters'))
  .toSorted()
  .flatMap((adapter) => {
    const kind = kinds.get(adapter);
    if (kind !== undefined && isLeftOut(kind)) return [];
    return {
      adapter,
      // what has no broker lives in its process
      url: () => (kind === undefined ? `${adapter}:` : testUrl(kind)),
      foreign: adapter === 'kafka' ? 'redis://nowhere' : 'kafka://nowhere',
    };
  });
