/** What `npm run scale -- --json` writes, as far as it is shown. */
export interface ScaleFigures {
  readonly adapter: string;
  readonly shape: string;
  readonly figures: readonly (Readonly<Record<string, number>> & { readonly count: number })[];
}

/** What `npm run faults -- --json` writes, as far as it is shown. */
export interface FaultFigures {
  readonly name: string;
  readonly adapter: string;
  readonly bus: string;
  readonly broker: string;
  readonly figures: Readonly<Record<string, string | number>>;
  readonly claims: readonly {
    readonly claim: string;
    readonly holds: boolean;
    readonly detail: string;
  }[];
}

const costs: readonly (readonly [label: string, key: string, digits: number])[] = [
  ['connections', 'connections', 0],
  ['channels', 'channels', 0],
  ['to start, s', 'startSeconds', 1],
  ['to start, CPU s', 'startCpuSeconds', 1],
  ['to start, CPU s of the broker', 'startBrokerCpuSeconds', 1],
  ['idle, CPU in percent of a core', 'idlePercent', 1],
  ['idle, the same of the broker', 'idleBrokerPercent', 1],
  ['memory, MB', 'rssMb', 0],
  ['memory of the broker, MB', 'brokerRssMb', 0],
  ['deliveries', 'deliveries', 0],
  ['to deliver, s', 'handleSeconds', 1],
  ['to deliver, CPU s', 'handleCpuSeconds', 1],
  ['to close, s', 'closeSeconds', 1],
];

/** A column for each size on each adapter. */
export function scaleTable(all: readonly ScaleFigures[], shape: string): string {
  const columns = all
    .filter((one) => one.shape === shape)
    .flatMap(({ adapter, figures }) => figures.map((sizes) => ({ adapter, sizes })));
  const delivers = columns.some(({ sizes }) => (sizes['deliveries'] ?? 0) > 0);
  const shown = costs.filter(
    ([, key]) =>
      columns.some(({ sizes }) => (sizes[key] ?? 0) > 0) && (delivers || !key.startsWith('handle')),
  );
  return table(
    ['', ...columns.map(({ adapter, sizes }) => `${adapter}, ${sizes.count}`)],
    shown.map(([label, key, digits]) => [
      label,
      ...columns.map(({ sizes }) => sizes[key]?.toFixed(digits) ?? '-'),
    ]),
  );
}

/** A line for each run. */
export function faultsTable(all: readonly FaultFigures[]): string {
  return table(
    ['Run', 'On', 'Published: stored / rejected / unknown', 'Lost', 'Repeats', 'Claims that hold'],
    all.map(({ name, adapter, bus, broker, figures, claims }) => [
      name,
      `${adapter} ${broker}, ${bus} bus`,
      String(figures['published (stored / rejected / unknown)'] ?? '-'),
      claims.find(({ claim }) => claim === 'stored and lost')?.detail ?? '-',
      String(Object.entries(figures).find(([label]) => label.startsWith('repeats'))?.[1] ?? '-'),
      `${claims.filter(({ holds }) => holds).length} of ${claims.length}`,
    ]),
  );
}

export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return [
    `| ${heading.join(' | ')} |`,
    `|${'---|'.repeat(heading.length)}`,
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n');
}
