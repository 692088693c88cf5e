/** What the note about the partition itself is kept under; no document has this identity. */
export const partitionItself = '';

/** What an owner of a partition tells the next one. */
export interface HandOver {
  /** So many documents may have come back. */
  readonly prefetch: number;
  /** Of those that have come back, these may have been begun. `undefined`: perhaps any of them. */
  readonly suspects: ReadonlySet<string> | undefined;
}

export function encodeHandOver({ prefetch, suspects }: HandOver): string {
  return JSON.stringify({ prefetch, suspects: suspects && [...suspects] });
}

/** Without one nothing is known: the first owner has nothing to take over. */
export function decodeHandOver(text: string | undefined): HandOver {
  const none = { prefetch: 0, suspects: undefined };
  if (text === undefined) return none;
  const { prefetch, suspects } = JSON.parse(text) as { prefetch?: unknown; suspects?: unknown };
  if (typeof prefetch !== 'number') return none;
  if (!Array.isArray(suspects)) return { prefetch, suspects: undefined };
  return { prefetch, suspects: new Set(suspects.filter((each) => typeof each === 'string')) };
}
