import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Deaths<Consuming> {
  readonly rounds: number;
  /** Each is killed when it has handled so many, or fewer. */
  readonly most: number;
  readonly dying: (round: number) => readonly Consuming[];
  readonly last: readonly Consuming[];
}

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

  /**
   * Some that are killed somewhere in what they do, round after round, then the last, who handle what is left. Resolves to
   * how many these handled.
   */
  async consumeThroughDeaths({ rounds, most, dying, last }: Deaths<Consuming>): Promise<number> {
    const somewhere = (): number => 1 + Math.floor(Math.random() * most);
    for (let round = 0; round < rounds; round += 1)
      await Promise.all(dying(round).map((each) => this.consumeAndDie(each, somewhere())));
    const handled = await Promise.all(last.map((each) => this.consumeAll(each)));
    return handled.reduce((sum, each) => sum + each, 0);
  }

  #start(consuming: Consuming, hear: (said: string) => void): ChildProcess {
    const child = fork(this.#program, [JSON.stringify(consuming)], {
      execArgv: process.execArgv.filter((argument) => argument.startsWith('--conditions')),
    });
    child.on('message', (said) => hear(String(said)));
    return child;
  }
}
