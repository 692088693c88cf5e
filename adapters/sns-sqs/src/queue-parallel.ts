/** Calls `run` for every item, so many at a time. The first error ends it, once what was under way has ended. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  run: (item: Item, at: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const walk = async (): Promise<void> => {
    while (next < items.length) {
      const at = next;
      next += 1;
      try {
        results[at] = await run(items[at] as Item, at);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  const walks = Array.from({ length: Math.min(width, items.length) }, walk);
  const ends = await Promise.allSettled(walks);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return results;
}

/** As many as SNS and SQS take in one request. */
export const batchSize = 10;

export function* chunked<Item>(
  items: readonly Item[],
  size: number = batchSize,
): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
