import { setTimeout as sleep } from 'node:timers/promises';

/** A claim of the story did not hold. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

const bold = (text: string): string => (process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
let scenes = 0;
let checks = 0;

export function say(text = ''): void {
  console.log(text === '' ? '' : `   ${text}`);
}

export function title(text: string): void {
  console.log(bold(text));
}

export function scene(name: string, why: string): void {
  scenes += 1;
  console.log(`\n${bold(`${scenes}. ${name}`)}`);
  say(why);
}

/** Prints the claim if it holds, and ends the story if it does not. */
export function check(claim: string, holds: boolean, seen: unknown = ''): void {
  if (!holds) throw new BrokenPromise(`${claim} - but it was: ${JSON.stringify(seen)}`);
  checks += 1;
  console.log(`   ok  ${claim}`);
}

export function checksPassed(): number {
  return checks;
}

/** Waits for something that has to happen, and says what was missing if it does not. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadline)
      throw new BrokenPromise(`waited ${timeoutMs / 1000} s in vain until ${what}`);
    await sleep(5);
  }
}
