import type { Adapter } from './bus.ts';
import { BusError } from './errors.ts';
import { nearest } from './internal/check-options.ts';
import { importFromApplication } from './internal/import-from-application.ts';
import { redact } from './internal/redact.ts';

/** What an adapter is told: the address, and the options of its own. */
export interface AdapterConfig {
  /** The address of a broker. Its scheme says which adapter it is for. */
  readonly url: string;
  /** Options of the adapter; they win over what the address says. Default: none. */
  readonly options?: Readonly<Record<string, unknown>>;
}

export type AdapterFactory = (config: AdapterConfig) => Adapter | Promise<Adapter>;

/** What the package of an adapter exports, besides the function that makes it by hand. */
export interface AdapterModule {
  readonly createAdapter: AdapterFactory;
}

const packages: ReadonlyMap<string, string> = new Map([
  ['memory', '@duobus/memory'],
  ['amqp', '@duobus/rabbitmq'],
  ['amqps', '@duobus/rabbitmq'],
  ['kafka', '@duobus/kafka'],
  ['kafka+ssl', '@duobus/kafka'],
  ['redis', '@duobus/redis-streams'],
  ['rediss', '@duobus/redis-streams'],
  ['sns+sqs', '@duobus/sns-sqs'],
]);

const registered = new Map<string, AdapterFactory>();

/**
 * Makes an adapter known under the scheme of its addresses, in this process: one of your own, or one that a bundler
 * has to see. Registering again replaces.
 * @example registerAdapter('nats', await import('duobus-nats'))
 */
export function registerAdapter(scheme: string, adapter: AdapterFactory | AdapterModule): void {
  if (typeof scheme !== 'string' || !/^[a-z][a-z0-9+.-]*$/.test(scheme)) {
    throw new TypeError(
      `registerAdapter: scheme must be of a-z 0-9 + . - and begin with a letter, as in 'nats' for nats://host, got ${typeof scheme === 'string' ? `'${scheme}'` : typeof scheme}`,
    );
  }
  const factory =
    typeof adapter === 'function' ? adapter : (adapter as AdapterModule | undefined)?.createAdapter;
  if (typeof factory !== 'function') {
    throw new TypeError(
      `registerAdapter: '${scheme}' needs a function, or a module that exports createAdapter`,
    );
  }
  registered.set(scheme, factory);
}

/** Whether it is what an adapter's factory returns. */
export function isAdapter(value: unknown): value is Adapter {
  if (typeof value !== 'object' || value === null) return false;
  const { name, queue, log } = value as Partial<Record<keyof Adapter, unknown>>;
  return typeof name === 'string' && (isObject(queue) || isObject(log));
}

/** The adapter for an address.
 *  @throws TypeError for a scheme nobody knows
 *  @throws BusError DUOBUS_NOT_FOUND when its package is not installed */
export async function adapterFor(config: AdapterConfig): Promise<Adapter> {
  const { url } = config;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new TypeError(
      `connect: an address begins with a scheme, as in amqp://localhost. ${knownSchemes()}`,
    );
  }
  const factory = registered.get(scheme) ?? (await installed(scheme, url));
  const adapter = await factory(config);
  if (isAdapter(adapter)) return adapter;
  throw new TypeError(
    `connect: createAdapter for '${scheme}' did not return an adapter: it needs a name and a queue or a log`,
  );
}

async function installed(scheme: string, url: string): Promise<AdapterFactory> {
  const name = packages.get(scheme);
  if (name === undefined) {
    const near = nearest(scheme, [...packages.keys(), ...registered.keys()]);
    const hint = near === undefined ? '' : ` Did you mean '${near}'?`;
    throw new TypeError(
      `connect: no adapter for the scheme '${scheme}'.${hint} ${knownSchemes()}, or registerAdapter`,
    );
  }
  const module = await load(name, url);
  const { createAdapter } = module as Partial<AdapterModule>;
  if (typeof createAdapter === 'function') return createAdapter;
  throw new BusError(
    'DUOBUS_NOT_FOUND',
    `package ${name} exports no createAdapter: it does not fit this @duobus/core, install the same version of both`,
  );
}

async function load(name: string, url: string): Promise<unknown> {
  let module: unknown;
  try {
    module = await importFromApplication(name);
  } catch (cause) {
    throw new BusError(
      'DUOBUS_NOT_FOUND',
      `package ${name} is installed but could not be loaded: ${(cause as Error).message}`,
      { cause },
    );
  }
  if (module !== undefined) return module;
  throw new BusError(
    'DUOBUS_NOT_FOUND',
    `${redact(url)} needs the package ${name}, which is not installed: npm install ${name}`,
    { context: { package: name } },
  );
}

function knownSchemes(): string {
  return `Known are ${[...new Set([...packages.keys(), ...registered.keys()])].map((scheme) => `${scheme}:`).join(' ')}`;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
