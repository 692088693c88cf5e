import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/**
 * Processes that consume, to be killed. Their program gets what it is told as JSON in its first argument, sends a message for
 * each document it has handled, 'drained' when there is none left, and ends when it is disconnected then.
 */
export class Consumers<Consuming> {
  readonly #program: string;

  constructor(program: URL) {
    this.#program = fileURLToPath(program);
  }

  /** One that is killed when it has handled so many, or ends by itself. Resolves to how many these were. */
  async consumeAndDie(consuming: Consuming, after: number): Promise<number> {
    let handled = 0;
    const child = this.#start(consuming, (said) => {
      if (said === 'drained') child.disconnect();
      else handled += 1;
      if (handled === after) child.kill('SIGKILL');
    });
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (code !== 0 && signal !== 'SIGKILL') throw new Error(`a consumer ended with ${code}`);
    return handled;
  }

  /** One that handles what there is, and ends. */
  consumeAll(consuming: Consuming): Promise<number> {
    return this.consumeAndDie(consuming, Number.POSITIVE_INFINITY);
  }

  #start(consuming: Consuming, hear: (said: string) => void): ChildProcess {
    const child = fork(this.#program, [JSON.stringify(consuming)], {
      execArgv: process.execArgv.filter((argument) => argument.startsWith('--conditions')),
    });
    child.on('message', (said) => hear(String(said)));
    return child;
  }
}
