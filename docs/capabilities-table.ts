import type { Adapter } from '@duobus/core';
import type { LogCapabilities, QueueCapabilities } from '@duobus/core/driver';

type Row = readonly [what: string, events: string, data: string];

/** What an adapter declares, as a table: one column for each bus. */
export function capabilitiesTable({ queue, log }: Pick<Adapter, 'queue' | 'log'>): string {
  const events = queue?.capabilities;
  const data = log?.capabilities;
  const rows = [...common(events, data), ...eventRows(events), ...dataRows(data)];
  return [
    '| | Event bus | Data bus |',
    '|---|---|---|',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

function common(events: QueueCapabilities | undefined, data: LogCapabilities | undefined): Row[] {
  const both = (
    what: string,
    show: (capabilities: QueueCapabilities | LogCapabilities) => string,
  ): Row => [
    what,
    events === undefined ? 'not supported' : show(events),
    data === undefined ? 'not supported' : show(data),
  ];
  return [
    both('A resolved publish survives', ({ durability }) => survives(durability)),
    both('On what that depends', ({ durability }) => durability.note),
    both('Largest document', ({ maxDocumentBytes }) => size(maxDocumentBytes)),
    both('How to raise it', ({ maxDocumentBytesHelp }) => maxDocumentBytesHelp),
    both('Publishing again after `unknown` stores once', ({ publish }) => yes(publish.dedup)),
    both('A silent consumer is given up after', ({ leaseMs }) => time(leaseMs)),
  ];
}

function eventRows(events: QueueCapabilities | undefined): Row[] {
  if (events === undefined) return [];
  return [
    [
      'Order',
      [events.order.none ? 'none' : '', events.order.key ? 'by key' : '']
        .filter(Boolean)
        .join(', '),
      'by key',
    ],
    ['Keeps documents without a consumer', time(events.keepsForMs), 'as the topic says'],
    ['Longest delay held by the broker', time(events.maxDelayMs), 'none: held by the consumer'],
    ['May repeat without a cause', yes(events.brokerRepeats), 'no'],
    ['`depth` counts what consumers hold', yes(events.countsLeased), '-'],
    ['neglected subscriptions are reported', yes(events.countsConsumers), '-'],
  ];
}

function dataRows(data: LogCapabilities | undefined): Row[] {
  if (data === undefined) return [];
  const { age, bytes, alter } = data.retention;
  return [
    ['Retention', '-', [age ? 'by age' : '', bytes ? 'by size' : ''].filter(Boolean).join(', ')],
    ['Retention of an existing topic can be altered', '-', yes(alter)],
    ['A start by time begins early by at most', '-', time(data.timeGranularityMs)],
    ['Counts of documents are exact', '-', yes(data.dense)],
    ['A receipt has its position at once', '-', yes(data.confirmHasPosition)],
  ];
}

function survives({ processKill, hostLoss, leaderLoss }: QueueCapabilities['durability']): string {
  const what = [
    processKill ? 'a killed broker' : '',
    hostLoss ? 'power loss' : '',
    leaderLoss ? 'the loss of a leader' : '',
  ];
  return what.filter(Boolean).join(', ') || 'connections, not the process';
}

function yes(value: boolean): string {
  return value ? 'yes' : 'no';
}

function size(bytes: number): string {
  const [unit, scale] =
    bytes >= 1_048_576 ? (['MiB', 1_048_576] as const) : (['KiB', 1_024] as const);
  return `${Number((bytes / scale).toFixed(1))} ${unit}`;
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

function time(ms: number | null): string {
  if (ms === null || ms >= 100 * 365 * 86_400_000) return 'no limit';
  const [unit, scale] = units.find(([, length]) => ms >= length) ?? ['ms', 1];
  return `${Number((ms / scale).toFixed(1))} ${unit}`;
}
