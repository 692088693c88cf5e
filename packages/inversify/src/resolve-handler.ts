import { type BatchHandler, batch, type Handler } from '@duobus/core';
import type { Container, ServiceIdentifier } from 'inversify';
import { isBatched, isId, type Subscription } from './subscription.ts';

type Resolver = Pick<Container, 'getAsync' | 'isBound'>;

type Handle = (...args: unknown[]) => unknown;

interface AnyHandler {
  readonly handle: Handle;
}

/** What core is given for a subscription. Each handler is made once now, so that what cannot be made stops the program
 *  from starting instead of filling the dead letters. */
export async function handlerFor(
  container: Resolver,
  { name, handler }: Subscription,
): Promise<Handler | BatchHandler> {
  if (isId(handler)) return resolving(container, name, handler);
  if (isBatched(handler))
    return batch(await resolving(container, name, handler.handler), handler.options);
  const byType: Record<string, Handler> = {};
  for (const [type, id] of Object.entries(handler))
    if (isId(id)) byType[type] = await resolving(container, name, id);
  // core tells the forms apart when it runs; here the types of the topic are no longer known
  return byType as unknown as Handler;
}

/** Resolves the handler for every document, so that its scope means something: a request is one document. */
async function resolving(
  container: Resolver,
  name: string,
  id: ServiceIdentifier,
): Promise<Handle> {
  const first = await tryOut(container, name, id);
  const handle: Handle = async (...args) => {
    const handler = await container.getAsync(id as ServiceIdentifier<AnyHandler>);
    return handler.handle(...args);
  };
  // `idempotent` marks what it returns, and subscribe judges the store by the mark
  for (const mark of Object.getOwnPropertySymbols(first.handle))
    Object.defineProperty(handle, mark, { value: Reflect.get(first.handle, mark) as unknown });
  return handle;
}

async function tryOut(
  container: Resolver,
  name: string,
  id: ServiceIdentifier,
): Promise<AnyHandler> {
  const what = `busModule: the handler ${typeof id === 'function' ? id.name : String(id)} of '${name}'`;
  let made: unknown;
  try {
    made = await container.getAsync(id);
  } catch (cause) {
    if (!container.isBound(id))
      throw new TypeError(`${what} is not bound: bind it before the module is loaded`, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${what} could not be made: ${reason}`, { cause });
  }
  if (typeof (made as Partial<AnyHandler> | null | undefined)?.handle === 'function')
    return made as AnyHandler;
  throw new TypeError(`${what} has no method 'handle'`);
}
