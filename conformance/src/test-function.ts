/** Any runner's way to say "here is a test": `test` or `it` of node:test, vitest, jest, mocha. */
export type TestFunction = (name: string, run: () => Promise<void>, timeoutMs: number) => unknown;

/** Vitest and jest take the limit of a test as an argument, mocha from within. */
export function addTest(
  test: TestFunction,
  name: string,
  run: () => Promise<void>,
  limitMs: number,
): void {
  const body = async function (this: unknown): Promise<void> {
    const { timeout } = (this ?? {}) as { readonly timeout?: unknown };
    if (typeof timeout === 'function') timeout.call(this, limitMs);
    await run();
  };
  test(name, body, limitMs);
}
