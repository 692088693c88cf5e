import type { AmqpConnection } from './client.ts';
import { classify } from './native-errors.ts';
import type { ConnectionPurpose } from './options.ts';

/** Makes one connection. `signal`: nobody waits for it any more. */
export type Connect<With extends readonly unknown[] = []> = (
  purpose: ConnectionPurpose,
  signal: AbortSignal,
  ...by: With
) => Promise<AmqpConnection>;

/**
 * Takes whichever node of a cluster answers. `first` is asked first, and after a loss whoever comes next: a node that
 * was lost without a word costs the time of a whole attempt.
 */
export function anyOf<With extends readonly unknown[]>(
  nodes: readonly Connect<With>[],
  first: number,
): Connect<With> {
  const turns: Record<ConnectionPurpose, number> = { publish: first, consume: first };
  return async (purpose, signal, ...by) => {
    const errors: unknown[] = [];
    while (errors.length < nodes.length) {
      signal.throwIfAborted();
      const node = nodes[turns[purpose] % nodes.length] as Connect<With>;
      turns[purpose] += 1;
      try {
        return await node(purpose, signal, ...by);
      } catch (error) {
        errors.push(error);
      }
    }
    // one node's certificate does not say that there is no use in waiting for the others
    throw errors.find((error) => classify(error, 'connect').retryable) ?? errors[0];
  };
}
