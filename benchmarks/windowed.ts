/** Runs `action` for 0 to count-1 with at most `window` of them in flight. */
export async function windowed(
  count: number,
  window: number,
  action: (n: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const n = next;
      next += 1;
      await action(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(window, count) }, lane));
}
