/**
 * The options of a call as a record: a TypeError if they are none, or hold a name that the call does not know.
 * @param call what is called, as it begins the message, e.g. `subscribe`
 */
export function checkOptions(
  call: string,
  options: unknown,
  known: readonly string[],
): Readonly<Record<string, unknown>> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(
      `${call}: options must be an object, got ${options === null ? 'null' : typeof options}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new TypeError(`${call}: unknown option '${name}'. ${hint(name, known)}`);
  }
  return options as Record<string, unknown>;
}

/** What to write instead, as a sentence. */
export function hint(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? `Known are: ${known.join(', ')}` : `Did you mean '${near}'?`;
}

/** The word that differs least, if any is close enough to be meant; else one that goes on where this one stops. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of known) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [best, least] = [candidate, edits];
  }
  if (best !== undefined || word.length < 3) return best;
  return known.find((candidate) => candidate.toLowerCase().startsWith(word.toLowerCase()));
}

/** Edits (Levenshtein) between two short words. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const insert = (current[column - 1] as number) + 1;
      current.push(Math.min(change, insert, (previous[column] as number) + 1));
    }
    previous = current;
  }
  return previous[b.length] as number;
}
