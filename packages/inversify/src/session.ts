import { type Bus, BusError, connect, type Handle } from '@duobus/core';
import type { BindingIdentifier, ContainerModuleLoadOptions, ServiceIdentifier } from 'inversify';
import { type BusIds, busIds, type BusTarget, symbolOf } from './identifiers.ts';
import type { BusModuleOptions, HostContainer } from './options.ts';
import { handlerFor } from './resolve-handler.ts';
import type { Subscription } from './subscription.ts';

type Handlers = Awaited<ReturnType<typeof handlerFor>>;

/** From one load of a module to its unload. */
export class Session {
  readonly #container: HostContainer;
  readonly #binder: ContainerModuleLoadOptions;
  readonly #options: BusModuleOptions;
  readonly #ids: BusIds;
  readonly #bound: BindingIdentifier[] = [];
  readonly #handles: Handle[] = [];
  #calls: readonly Promise<void>[] = [];
  readonly #unloading = new AbortController();
  #bus: Bus | undefined;
  /** Who makes a bus closes it. */
  #closesBus = false;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #over = false;

  /** Takes the place of the bus in the container, so that an unload finds it however early it comes. */
  constructor(
    container: HostContainer,
    binder: ContainerModuleLoadOptions,
    options: BusModuleOptions,
  ) {
    this.#container = container;
    this.#binder = binder;
    this.#options = options;
    this.#ids = busIds(options.name);
    this.#takePlace(symbolOf('session', options.name));
  }

  #takePlace(id: ServiceIdentifier<Session>): void {
    const container = this.#container;
    if (container.isCurrentBound(id) || container.isCurrentBound(this.#ids.bus)) {
      throw new TypeError(
        `busModule: the container has ${this.#what} already: unload that one first, or give this one a name of its own`,
      );
    }
    this.#bindToClose(id, this);
    if (container.isCurrentBound(id)) {
      container.get(id);
      return;
    }
    this.#unbind();
    throw new TypeError(
      'busModule: it is loaded into another container than the one it was made with: pass that one to busModule',
    );
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch(async (error: unknown) => {
      await this.#end().catch(() => undefined); // what failed first is what has to be told
      this.#over = true;
      this.#unbind();
      throw error;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { subscriptions = [], middleware = [] } = this.#options;
    const bus = (this.#bus = await this.#makeBus());
    this.#goOn();
    this.#bindToClose(this.#ids.bus, bus);
    await this.#container.getAsync(this.#ids.bus);
    this.#bind(this.#ids.events, bus.events);
    this.#bind(this.#ids.data, bus.data);
    this.#bind(this.#ids.handles, this.#handles);
    for (const one of middleware) bus.use(one);
    const handlers: Handlers[] = [];
    for (const one of subscriptions) handlers.push(await handlerFor(this.#container, one));
    this.#goOn();
    await this.#subscribe(bus, subscriptions, handlers);
  }

  async #makeBus(): Promise<Bus> {
    const { target: id } = this.#ids;
    if (!this.#container.isBound(id)) {
      throw new TypeError(
        `busModule: nothing says what ${this.#what} connects to: bind ${String(id)} before the module is loaded, e.g. container.bind(busTargetId).toConstantValue(process.env.BUS_URL)`,
      );
    }
    const target = await this.#container.getAsync(id);
    this.#goOn();
    if (isBus(target)) return target;
    const { name: _, subscriptions: _s, middleware: _m, ...options } = this.#options;
    this.#closesBus = true;
    return connect(target, options);
  }

  /** All at once: with some brokers a member takes seconds to join its group. */
  async #subscribe(
    { events, data }: Bus,
    subscriptions: readonly Subscription[],
    handlers: readonly Handlers[],
  ): Promise<void> {
    this.#calls = subscriptions.map(async ({ bus, topic, name, options }, index) => {
      const half = bus === 'event' ? events : data;
      this.#handles[index] = await half.subscribe(
        topic,
        name,
        handlers[index] as Handlers,
        options,
      );
    });
    await Promise.all(this.#calls);
    this.#goOn();
  }

  /** inversify deactivates nothing that nobody has asked for: `get` has to follow. */
  #bindToClose<T>(id: ServiceIdentifier<T>, value: T): void {
    const binding = this.#binder.bind(id).toConstantValue(value);
    this.#bound.push(binding.onDeactivation(() => this.close()).getIdentifier());
  }

  #bind<T>(id: ServiceIdentifier<T>, value: T): void {
    this.#bound.push(this.#binder.bind(id).toConstantValue(value).getIdentifier());
  }

  #unbind(): void {
    for (const identifier of this.#bound.splice(0)) this.#binder.unbind(identifier);
  }

  /** Drains the subscriptions and closes the bus. inversify calls it for every binding, and again after a synchronous
   *  unload, which it refuses too late. */
  close(): Promise<void> | undefined {
    if (this.#over) return undefined;
    this.#unloading.abort(
      new BusError('DUOBUS_CLOSED', `${this.#what} was unloaded while it was being loaded`),
    );
    if (this.#starting === undefined) return undefined;
    this.#closing ??= this.#close(this.#starting).finally(() => (this.#over = true));
    return this.#closing;
  }

  async #close(starting: Promise<void>): Promise<void> {
    await Promise.allSettled([this.#end(), starting]);
    await this.#end();
  }

  /** May be called at any time, and again. */
  async #end(): Promise<void> {
    if (this.#closesBus) await this.#bus?.close(); // ends the calls of subscribe that are on their way
    await Promise.allSettled(this.#calls);
    await Promise.all(this.#handles.map((handle) => handle.close()));
  }

  #goOn(): void {
    this.#unloading.signal.throwIfAborted();
  }

  get #what(): string {
    const { name } = this.#options;
    return name === undefined ? 'the bus' : `the bus '${name}'`;
  }
}

function isBus(target: BusTarget | undefined): target is Bus {
  if (typeof target !== 'object' || target === null) return false;
  const { use, close } = target as Partial<Bus>;
  return typeof use === 'function' && typeof close === 'function';
}
