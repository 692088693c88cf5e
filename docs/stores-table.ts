/** What `npm run stores` has measured. */
export interface StoreFigures {
  readonly figures: readonly {
    readonly effect: string;
    readonly store: string;
    readonly microsecondsPerDocument: number;
  }[];
}

/** A line for each effect and store, with what the store adds to the effect alone. */
export function storesTable({ figures }: StoreFigures): string {
  const alone = new Map(
    figures
      .filter(({ store }) => store === 'none')
      .map((figure) => [figure.effect, figure.microsecondsPerDocument]),
  );
  const lines = figures.map(({ effect, store, microsecondsPerDocument: cost }) => {
    const base = alone.get(effect);
    if (base === undefined) throw new Error(`'${effect}' has not been measured without a store`);
    const added = store === 'none' ? '' : (cost - base).toLocaleString('en-US');
    const name = store === 'none' ? 'none' : `\`${store}\``;
    return `| ${effect} | ${name} | ${cost.toLocaleString('en-US')} | ${added} |`;
  });
  return [
    '| Effect | Store | µs for a document | of these for the store |',
    '|---|---|---:|---:|',
    ...lines,
  ].join('\n');
}
