import type { Redis } from 'ioredis';
import { classify } from './native-errors.ts';

/** Two writes, so that the server's append-only file has them in a transaction. */
const transaction = `
redis.call('HSET', KEYS[1], 'state', 'opening')
redis.call('HSET', KEYS[1], 'state', 'opened')`;

/** A key for each master of a large cluster. */
const mostKeys = 4_096;

/**
 * A server that died while it wrote a transaction has the beginning of it at the end of its append-only file, and takes
 * single commands that follow for a part of it: at its next start they are lost, until another transaction has ended
 * (https://github.com/valkey-io/valkey/pull/4342). So the first thing that a connection does is a transaction.
 */
export async function endTornWrite(node: Redis, where: string): Promise<void> {
  for (let at = 0; at < mostKeys; at += 1) {
    try {
      await node.eval(transaction, 1, `{duobus:opened:${at}}`);
      return;
    } catch (error) {
      const { message } = error as Error;
      if (message.startsWith('NOPERM')) return; // who may not write adds nothing
      // a node of a cluster has some of the keys
      if (!message.startsWith('MOVED')) throw classify(error, `write to ${where}`);
    }
  }
}
