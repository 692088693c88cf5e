import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Consuming } from './consumer.ts';

const program = fileURLToPath(new URL('./consumer.ts', import.meta.url));

function start(consuming: Consuming, hear: (said: string) => void): ChildProcess {
  const child = fork(program, [JSON.stringify(consuming)], {
    execArgv: process.execArgv.filter((argument) => argument.startsWith('--conditions')),
  });
  child.on('message', (said) => hear(String(said)));
  return child;
}

/** A consumer that is killed when it has handled so many documents, or ends by itself. Resolves to how many these were. */
export async function consumeAndDie(consuming: Consuming, after: number): Promise<number> {
  let handled = 0;
  const child = start(consuming, (said) => {
    if (said === 'drained') child.disconnect();
    else handled += 1;
    if (handled === after) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`a consumer ended with ${code}`);
  return handled;
}

/** A consumer that handles what there is, and ends. */
export const consumeAll = (consuming: Consuming): Promise<number> =>
  consumeAndDie(consuming, Number.POSITIVE_INFINITY);
