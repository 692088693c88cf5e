/**
 * Shares partitions among members: everybody gets as many as everybody else, give or take one, and whoever holds a
 * partition keeps it unless that would be unfair. Pure: the same arguments give the same answer.
 */
export function assign<Member>(
  members: readonly Member[],
  partitions: number,
  current: ReadonlyMap<number, Member>,
): ReadonlyMap<number, Member> {
  const wanted = new Map<number, Member>();
  if (members.length === 0) return wanted;
  const floor = Math.floor(partitions / members.length);
  let larger = partitions - floor * members.length;
  const held = new Map<Member, number[]>(members.map((member) => [member, []]));
  for (const [partition, member] of current) {
    if (partition < partitions) held.get(member)?.push(partition);
  }
  // Members that hold most get the larger shares, so that as little as possible moves.
  const byHolding = members.toSorted(
    (a, b) => (held.get(b)?.length ?? 0) - (held.get(a)?.length ?? 0),
  );
  const room: [Member, number][] = [];
  for (const member of byHolding) {
    const share = larger > 0 ? floor + 1 : floor;
    if (larger > 0) larger -= 1;
    const kept = (held.get(member) ?? []).toSorted((a, b) => a - b).slice(0, share);
    for (const partition of kept) wanted.set(partition, member);
    room.push([member, share - kept.length]);
  }
  for (let partition = 0; partition < partitions; partition += 1) {
    if (wanted.has(partition)) continue;
    const free = room.find(([, left]) => left > 0);
    if (free === undefined) break;
    free[1] -= 1;
    wanted.set(partition, free[0]);
  }
  return wanted;
}
