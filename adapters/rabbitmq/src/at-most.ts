/** Waits for what may never answer, but no longer than `ms`. Its failure is not of interest. */
export async function atMost(ms: number, ending: () => Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([ending(), new Promise((late) => (timer = setTimeout(late, ms)))]);
  } catch {
    // what is being closed may be broken already: it is gone either way
  } finally {
    clearTimeout(timer);
  }
}
