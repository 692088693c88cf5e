import { pickContender } from './contenders/pick.ts';
import type { Setting } from './contender.ts';
import { playRound, type RoundFigures, type RoundSize } from './round.ts';

/** What a round's process is told by the one that started it. */
export interface Task {
  readonly contender: 'duobus' | 'raw';
  readonly setting: Setting;
  readonly size: RoundSize;
}

export type Answer = { readonly figures: RoundFigures } | { readonly error: string };

process.once('message', (task: Task) => {
  void answer(task).then((result) => process.send?.(result, () => process.disconnect()));
});

async function answer({ contender, setting, size }: Task): Promise<Answer> {
  try {
    return { figures: await playRound(pickContender(contender, setting), size) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
