import { ContainerModule } from 'inversify';
import type { BusModuleOptions, HostContainer } from './options.ts';
import { Session } from './session.ts';

/**
 * A module that binds both buses: `loadAsync` connects and subscribes, `unloadAsync` drains and disconnects.
 * inversify lets a module bind, not resolve: for its handlers it needs the container that it is loaded into.
 * @example await container.loadAsync(busModule(container, { source: '/shop', subscriptions: [onEvents(Orders, 'mail', Mail)] }))
 */
export function busModule(
  container: HostContainer,
  options: BusModuleOptions = {},
): ContainerModule {
  if (typeof (container as Partial<HostContainer> | undefined)?.getAsync !== 'function')
    throw new TypeError('busModule: pass the container that the module is loaded into');
  return new ContainerModule((binder) => {
    const session = new Session(container, binder, options);
    return whenAwaited(() => session.start());
  });
}

/** `container.load` throws when a module is asynchronous, but only after its call: what waits for nobody must not begin. */
function whenAwaited(work: () => Promise<void>): Promise<void> {
  let working: Promise<void> | undefined;
  const begin = (): Promise<void> => (working ??= work());
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- it is one
    then: (resolved, rejected) => begin().then(resolved, rejected),
    catch: (rejected) => begin().catch(rejected),
    finally: (ended) => begin().finally(ended),
    [Symbol.toStringTag]: 'Promise',
  };
}
