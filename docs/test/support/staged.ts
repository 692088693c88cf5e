import type { Adapter } from '@duobus/core';
import type { LogDriver, QueueDriver, QueueMember } from '@duobus/core/driver';
import { notWritten } from '../../snippets/my-adapter/not-written.ts';
import { steps } from '../../steps.ts';

/** What a verb does instead, by its name. */
type Instead = Readonly<Record<string, unknown>>;

/** What whole drivers are said to be able to do in the end, and cannot until it is written. */
const verbs = new Set(steps.flatMap(({ write }) => write));

/** An adapter of which only the first steps are written: of the others it says so, as the template does. */
export function staged(adapter: Adapter, count: number): Adapter {
  const written = new Set(steps.slice(0, count).flatMap(({ write }) => write));
  const missing = (verb: string): boolean => verbs.has(verb) && !written.has(verb);
  return {
    ...adapter,
    queue: queueOf(adapter.queue as QueueDriver, missing),
    log: logOf(adapter.log as LogDriver, missing),
  };
}

type Missing = (verb: string) => boolean;

function queueOf(driver: QueueDriver, missing: Missing): QueueDriver {
  const { capabilities } = driver;
  const order = { ...capabilities.order, key: !missing('order.key') };
  return instead(driver, 'QueueDriver', missing, {
    capabilities: Object.freeze({ ...capabilities, order }),
    consume: async (...args: Parameters<QueueDriver['consume']>) => {
      for (const verb of ['QueueDriver.consume', `consume '${args[2]}'`])
        if (missing(verb)) throw notWritten(verb);
      return memberOf(await driver.consume(...args), missing);
    },
  });
}

function memberOf(member: QueueMember, missing: Missing): QueueMember {
  return instead(member, 'QueueMember', missing, {
    settle: async (batch: Parameters<QueueMember['settle']>[0]) => {
      const verdict = batch.map((one) => `settle '${one.verdict}'`).find(missing);
      if (verdict !== undefined) throw notWritten(verdict);
      return member.settle(batch);
    },
  });
}

function logOf(driver: LogDriver, missing: Missing): LogDriver {
  const { capabilities } = driver;
  const kept = missing('retention')
    ? { ...capabilities, retention: { age: false, bytes: false, alter: false } }
    : capabilities;
  return instead(driver, 'LogDriver', missing, { capabilities: Object.freeze(kept) });
}

/** `target`, but for the verbs that are not written and for what is given. */
function instead<T extends object>(target: T, name: string, missing: Missing, more: Instead): T {
  return new Proxy(target, {
    get(original, property) {
      const verb = `${name}.${String(property)}`;
      if (Object.hasOwn(more, property)) return more[String(property)];
      if (missing(verb)) return async () => Promise.reject(notWritten(verb));
      const value: unknown = Reflect.get(original, property, original);
      return typeof value === 'function'
        ? (value as (...args: unknown[]) => unknown).bind(original)
        : value;
    },
  });
}
