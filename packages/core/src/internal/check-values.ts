/** @throws TypeError unless it is `undefined` or an integer within the limits. */
export function checkInteger(
  call: string,
  option: string,
  value: unknown,
  least: number,
  most: number,
): void {
  if (value === undefined) return;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) {
    return;
  }
  // the largest number that timers take says nothing, unless it is what was passed
  const range =
    most >= 2 ** 31 - 1 && !((value as number) > most)
      ? `of at least ${comma(least)}`
      : `from ${comma(least)} to ${comma(most)}`;
  throw new TypeError(`${call}: ${option} must be an integer ${range}, got ${shown(value)}`);
}

/** @throws TypeError unless it is `undefined` or a number of at least `least`, fractions too. */
export function checkNumber(call: string, option: string, value: unknown, least: number): void {
  if (value === undefined || (typeof value === 'number' && value >= least)) return;
  throw new TypeError(
    `${call}: ${option} must be a number of at least ${comma(least)}, got ${shown(value)}`,
  );
}

/** @throws TypeError unless it is `undefined`, true or false. */
export function checkFlag(call: string, option: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new TypeError(`${call}: ${option} must be true or false, got ${shown(value)}`);
}

/** @throws TypeError unless it is `undefined` or one of the values. */
export function checkOneOf(
  call: string,
  option: string,
  value: unknown,
  values: readonly string[],
): void {
  if (value === undefined || values.includes(value as string)) return;
  const list = values.map((known) => `'${known}'`).join(' or ');
  throw new TypeError(`${call}: ${option} must be ${list}, got ${shown(value)}`);
}

/** @throws TypeError unless it is `undefined` or an AbortSignal. */
export function checkSignal(call: string, value: unknown): void {
  if (value === undefined) return;
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return;
  throw new TypeError(`${call}: signal must be an AbortSignal, got ${shown(value)}`);
}

/** As an error shows it. What comes from the environment is text, and must not look like what was asked for. */
function shown(value: unknown): string {
  if (typeof value === 'string') return `the string '${value}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

function comma(value: number): string {
  return value.toLocaleString('en-US');
}
