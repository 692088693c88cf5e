/** What a test has found in an empty project after it installed core and one adapter. */
export interface Installed {
  readonly adapter: string;
  /** Besides those of duobus itself. */
  readonly dependencies: number;
  readonly bytes: number;
}

/** A column for each adapter: there are fewer lines than adapters. */
export function installedTable(all: readonly Installed[]): string {
  const row = (what: string, cell: (one: Installed) => string): string =>
    `| ${[what, ...all.map(cell)].join(' | ')} |`;
  return [
    row('', ({ adapter }) => adapter),
    `|---|${'---:|'.repeat(all.length)}`,
    row('dependencies, theirs included', ({ dependencies }) => String(dependencies)),
    row('size of all, MB', ({ bytes }) => (bytes / 1_000_000).toFixed(1)),
  ].join('\n');
}
