import { table } from './figures-table.ts';

/** What `npm run outbox -- kills --json` writes, as far as it is shown. */
export interface OutboxKills {
  readonly what: 'kills';
  readonly store: string;
  readonly committed: number;
  readonly published: number;
  readonly lost: number;
  readonly invented: number;
  readonly overtaken: number;
  readonly repeated: number;
  readonly kills: number;
  readonly stops: number;
}

/** What `npm run outbox -- speed --json` writes. */
export interface OutboxSpeed {
  readonly what: 'speed';
  readonly store: string;
  readonly documents: number;
  readonly relayed: readonly number[];
  readonly published: readonly number[];
}

export function outboxKillsTable(all: readonly OutboxKills[]): string {
  return table(
    [
      'Store',
      'Committed',
      'Published',
      'Lost',
      'Never committed',
      'Out of order',
      'Repeated',
      'Kills, stops',
    ],
    all.map((one) => [
      one.store,
      ...[one.committed, one.published, one.lost, one.invented, one.overtaken, one.repeated].map(
        String,
      ),
      `${one.kills}, ${one.stops}`,
    ]),
  );
}

export function outboxSpeedTable(all: readonly OutboxSpeed[]): string {
  return table(
    ['Store', 'Relayed per second', 'Published without an outbox', 'Ratio of each round'],
    all.map(({ store, relayed, published }) => [
      store,
      `${median(relayed)}`,
      `${median(published)}`,
      relayed.map((value, at) => (value / (published[at] ?? value)).toFixed(2)).join(', '),
    ]),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
