import type { Count } from './shop.ts';

/** What was read back from the broker, in order within a partition. */
export interface Appearance {
  readonly partition: number;
  readonly id: string;
  readonly document: Count;
}

export interface Judgement {
  readonly committed: number;
  readonly published: number;
  readonly repeated: number;
  /** Committed, and never published. */
  readonly lost: number;
  /** Published, and never committed. */
  readonly invented: number;
  /** First appearances that are not in the order of their key. */
  readonly overtaken: number;
  /** Documents that came with more than one id, or ids with more than one document. */
  readonly renamed: number;
}

export function judge(truth: readonly Count[], seen: readonly Appearance[]): Judgement {
  const committed = new Set(truth.map(({ token }) => token));
  const ids = new Map<string, string>();
  const tokens = new Map<string, string>();
  const last = new Map<string, number>();
  let [repeated, invented, overtaken, renamed] = [0, 0, 0, 0];
  for (const { id, document } of seen) {
    const { key, n, token } = document;
    if ((tokens.get(id) ?? token) !== token) renamed += 1;
    tokens.set(id, token);
    if (ids.has(token)) {
      repeated += 1;
      if (ids.get(token) !== id) renamed += 1;
      continue;
    }
    ids.set(token, id);
    if (!committed.has(token)) invented += 1;
    if (n !== (last.get(key) ?? 0) + 1) overtaken += 1;
    last.set(key, n);
  }
  const lost = truth.filter(({ token }) => !ids.has(token)).length;
  return {
    committed: committed.size,
    published: ids.size,
    repeated,
    lost,
    invented,
    overtaken,
    renamed,
  };
}
