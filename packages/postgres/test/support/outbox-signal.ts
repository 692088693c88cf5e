/** Something that a test waits for and a callback rings. */
export function signal(): { readonly rung: Promise<void>; readonly ring: () => void } {
  let ring!: () => void;
  const rung = new Promise<void>((resolve) => {
    ring = resolve;
  });
  return { rung, ring };
}
