/** Who wants a share of a topic's partitions, and which it has now. */
export interface Candidate {
  readonly id: string;
  readonly owned: readonly number[];
}

/**
 * Shares partitions 0 to `count` - 1 as evenly as possible. Within that, whoever has a partition keeps it, so that a
 * join or a leave moves as few as it can. The same input gives the same shares, in whatever order it comes.
 */
export function assignPartitions(
  count: number,
  candidates: readonly Candidate[],
): ReadonlyMap<string, readonly number[]> {
  const members = candidates.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const shares = new Map<string, number[]>(members.map(({ id }) => [id, []]));
  if (members.length === 0) return shares;
  const least = Math.floor(count / members.length);
  let larger = count % members.length;
  const free = new Set(Array.from({ length: count }, (_, partition) => partition));
  // those with most to keep first: the larger shares are theirs
  const claims = members
    .map(({ id, owned }) => ({ id, owned: validClaims(owned, count) }))
    .toSorted((a, b) => b.owned.length - a.owned.length || (a.id < b.id ? -1 : 1));
  for (const { id, owned } of claims) {
    const share = shares.get(id) as number[];
    for (const partition of owned) {
      if (share.length === least + 1 || (share.length === least && larger === 0)) break;
      if (!free.delete(partition)) continue;
      share.push(partition);
      if (share.length === least + 1) larger -= 1;
    }
  }
  const rest = [...free];
  for (const { id } of members) {
    const share = shares.get(id) as number[];
    while (share.length < least) share.push(rest.shift() as number);
  }
  for (const { id } of members) {
    const share = shares.get(id) as number[];
    if (rest.length > 0 && share.length === least) share.push(rest.shift() as number);
    share.sort((a, b) => a - b);
  }
  return shares;
}

function validClaims(owned: readonly number[], count: number): readonly number[] {
  return [...new Set(owned)]
    .filter((partition) => Number.isInteger(partition) && partition >= 0 && partition < count)
    .toSorted((a, b) => a - b);
}
