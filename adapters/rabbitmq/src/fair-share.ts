/**
 * Which of `owned` a member must give up so that all partitions are shared evenly among `members`, without anyone
 * asking anyone: of the partitions that divide evenly everyone keeps the same number, of the rest one at most. The
 * shares of all members add up to the number of partitions, so nothing is left over and nothing is fought for.
 */
export function surplus(
  owned: readonly number[],
  partitions: number,
  members: number,
): readonly number[] {
  const share = Math.floor(partitions / Math.max(1, members));
  const even = share * Math.max(1, members);
  const evens = owned.filter((partition) => partition < even);
  const rest = owned.filter((partition) => partition >= even);
  return [...evens.slice(share), ...rest.slice(1)];
}
