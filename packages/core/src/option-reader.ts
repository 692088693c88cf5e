import { readFileSync } from 'node:fs';
import { type Address, parseAddress } from './internal/address.ts';
import { checkOptions, hint, nearest } from './internal/check-options.ts';
import { checkFlag, checkInteger, checkOneOf } from './internal/check-values.ts';
import { type Source, sourceOf } from './secrets.ts';
import { type Tls, tlsNames, tlsOf } from './tls-options.ts';

/** The longest time a timer of Node takes, in ms. */
const most = 2 ** 31 - 1;

/** Reads the options of an adapter. Every method throws a TypeError that says which option is wrong and what it takes;
 *  secrets are never repeated. */
export class OptionReader<Name extends string> {
  readonly #call: string;
  readonly #within: string;
  readonly #given: Readonly<Record<string, unknown>>;

  /** @param call what reads them, as it begins messages
   *  @param known every option there is: another is refused with the nearest of these */
  constructor(call: string, given: unknown, known: readonly Name[], within = '') {
    this.#call = call;
    this.#within = within;
    const where = within === '' ? call : `${call}: ${within.slice(0, -1)}`;
    this.#given = checkOptions(where, given, known);
  }

  /** `text` completes "kafka: ...". */
  wrong(text: string): TypeError {
    return new TypeError(`${this.#call}: ${text}`);
  }

  value(name: Name): unknown {
    return this.#given[name];
  }

  integer<S extends number | undefined>(
    name: Name,
    standard: S,
    least: number,
    atMost: number = most,
  ): number | S {
    const value = this.#given[name];
    checkInteger(this.#call, this.#path(name), value, least, atMost);
    return value === undefined ? standard : (value as number);
  }

  flag<S extends boolean | undefined>(name: Name, standard: S): boolean | S {
    const value = this.#given[name];
    checkFlag(this.#call, this.#path(name), value);
    return value === undefined ? standard : (value as boolean);
  }

  oneOf<V extends string>(name: Name, values: readonly V[]): V | undefined {
    const value = this.#given[name];
    checkOneOf(this.#call, this.#path(name), value, values);
    return value as V | undefined;
  }

  text<S extends string | undefined>(name: Name, standard: S): string | S {
    const value = this.#given[name];
    if (value === undefined) return standard;
    if (isText(value)) return value;
    throw this.wrong(`${this.#path(name)} must be ${textForm}`);
  }

  /** `undefined` where it is not given. */
  fn(name: Name): ((...args: never[]) => unknown) | undefined {
    const value = this.#given[name];
    if (value === undefined || typeof value === 'function')
      return value as ((...args: never[]) => unknown) | undefined;
    throw this.wrong(`${this.#path(name)} must be a function`);
  }

  /** A text, or a function that is asked for it at every attempt to connect. */
  secret(name: Name): Source<string> | undefined {
    return this.secretOf(name, isText, textForm);
  }

  /** As {@link secret}, of what is bytes or text. */
  secretBytes(name: Name): Source<string | Uint8Array> | undefined {
    return this.secretOf(name, isBytes, bytesForm);
  }

  /** `undefined` where it is not given. */
  bytes(name: Name): readonly (string | Uint8Array)[] | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > 0 && list.every(isBytes)) return list;
    throw this.wrong(`${this.#path(name)} must be ${bytesForm}, or a list of these`);
  }

  /** What the file holds whose name is given. */
  file(name: Name): Buffer | undefined {
    const path = this.text(name, undefined);
    if (path === undefined) return undefined;
    try {
      return readFileSync(path);
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException;
      throw this.wrong(`${this.#path(name)}: ${path} cannot be read (${code})`);
    }
  }

  /** Options within an option. */
  nested<Inner extends string>(
    name: Name,
    known: readonly Inner[],
  ): OptionReader<Inner> | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    return new OptionReader(this.#call, value, known, `${this.#path(name)}.`);
  }

  /** `host:port`, or `host` where there is a standard port. */
  addresses(name: Name, standardPort?: number): readonly Address[] | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    const example = `localhost:${standardPort ?? 9092}`;
    if (!Array.isArray(value) || value.length === 0)
      throw this.wrong(`${this.#path(name)} must be a list of addresses, e.g. ['${example}']`);
    return value.map((text: unknown) => {
      const address = parseAddress(text, standardPort);
      if (address !== undefined) return address;
      // not repeated: who writes a URL here may have a password in it
      throw this.wrong(`every one of ${this.#path(name)} must be host:port, e.g. ${example}`);
    });
  }

  /** `false` where it says so itself. */
  tls(name: Name): Source<Tls> | false | undefined {
    const value = this.#given[name];
    if (value === undefined || value === false) return value;
    if (value === true) return { asks: false, read: () => Promise.resolve({}) };
    const path = this.#path(name);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.wrong(`${path} must be true, false or an object such as { caFile }`);
    return tlsOf(new OptionReader(this.#call, value, tlsNames, `${path}.`));
  }

  /** As {@link secret}, of something else. `form` completes "must be ...". */
  secretOf<T>(
    name: Name,
    isSound: (value: unknown) => value is T,
    form: string,
  ): Source<T> | undefined {
    const value = this.#given[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'function' && !isSound(value))
      throw this.wrong(`${this.#path(name)} must be ${form}; or a function that returns it`);
    return sourceOf(`${this.#call}: ${this.#path(name)}`, value as T | (() => T), isSound, form);
  }

  #path(name: string): string {
    return `${this.#within}${name}`;
  }
}

/** The parameters of a URL: strings, of these names, each once. */
export function urlParameters<Name extends string>(
  call: string,
  query: string,
  known: readonly Name[],
  options: readonly string[],
): Partial<Record<Name, string>> {
  const found: Partial<Record<Name, string>> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!(known as readonly string[]).includes(name)) {
      const option = nearest(name, options);
      const help =
        nearest(name, known) === undefined && option !== undefined
          ? `Give it as the option '${option}'`
          : known.length === 0
            ? 'Give it as an option'
            : hint(name, known);
      throw new TypeError(`${call}: the URL has an unknown parameter '${name}'. ${help}`);
    }
    if (found[name as Name] !== undefined)
      throw new TypeError(`${call}: the URL has the parameter ${name} twice`);
    found[name as Name] = value;
  }
  return found;
}

/** Both halves of `user:password`, decoded. @throws TypeError that repeats neither */
export function urlLogin(call: string, login: string): readonly [user: string, password: string] {
  const colon = login.indexOf(':');
  if (colon < 0)
    throw new TypeError(`${call}: the URL has a user but no password: write user:password@`);
  return [urlPart(call, login.slice(0, colon)), urlPart(call, login.slice(colon + 1))];
}

/** Part of a URL, decoded. @throws TypeError that does not repeat it */
export function urlPart(call: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // the cause would repeat it
    throw new TypeError(`${call}: what stands in the URL must be percent-encoded, passwords too`);
  }
}

const textForm = 'a string that is not empty';
const bytesForm = 'a string or bytes that are not empty';

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const isBytes = (value: unknown): value is string | Uint8Array =>
  isText(value) || (value instanceof Uint8Array && value.length > 0);
