import type { RoundFigures } from './round.ts';
import { median, pairedRatio } from './statistics.ts';

export interface Measure {
  readonly key: keyof RoundFigures;
  readonly label: string;
  readonly digits: number;
  /** Whether more is better. */
  readonly more: boolean;
}

export const measures: readonly Measure[] = [
  { key: 'publishPerSecond', label: 'publish, documents/s', digits: 0, more: true },
  {
    key: 'publishCpuMsPer1000',
    label: 'publish, CPU s per 1000 documents',
    digits: 4,
    more: false,
  },
  { key: 'consumePerSecond', label: 'consume, documents/s', digits: 0, more: true },
  {
    key: 'consumeCpuMsPer1000',
    label: 'consume, CPU s per 1000 documents',
    digits: 4,
    more: false,
  },
  { key: 'singleP50Ms', label: 'publish one at a time, p50 ms', digits: 2, more: false },
  { key: 'singleP99Ms', label: 'publish one at a time, p99 ms', digits: 2, more: false },
  { key: 'maxRssMb', label: 'largest RSS, MB', digits: 0, more: false },
];

/** One line of the comparison; without a raw client the last two are undefined. */
export interface Line {
  readonly label: string;
  readonly more: boolean;
  readonly ours: number;
  readonly raw: number | undefined;
  /** Median over the rounds of ours / raw. */
  readonly ratio: number | undefined;
}

export function compare(
  ours: readonly RoundFigures[],
  raw: readonly RoundFigures[] | undefined,
): readonly Line[] {
  return measures.map(({ key, label, more }) => {
    const scale = key.endsWith('CpuMsPer1000') ? 1_000 : 1;
    const mine = ours.map((figures) => figures[key] / scale);
    const theirs = raw?.map((figures) => figures[key] / scale);
    return {
      label,
      more,
      ours: median(mine),
      raw: theirs === undefined ? undefined : median(theirs),
      ratio: theirs === undefined ? undefined : pairedRatio(mine, theirs),
    };
  });
}

export function table(lines: readonly Line[], raw: string | undefined): string {
  const digits = new Map(measures.map((measure) => [measure.label, measure.digits]));
  const show = (value: number | undefined, label: string): string =>
    (value ?? 0).toFixed(digits.get(label) ?? 0);
  const header = [
    'median',
    'duobus',
    ...(raw === undefined ? [] : [raw, 'duobus / raw', 'better is']),
  ];
  const rows = lines.map((line) => [
    line.label,
    show(line.ours, line.label),
    ...(raw === undefined
      ? []
      : [show(line.raw, line.label), (line.ratio ?? 0).toFixed(2), line.more ? 'more' : 'less']),
  ]);
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n');
}
