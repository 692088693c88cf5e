import { Patience } from './patience.ts';

/** What `work` comes to, unless it takes longer than `ms`: then it rejects with `late()`. */
export async function limited<T>(
  work: () => T | Promise<T>,
  ms: number,
  late: () => Error,
): Promise<T> {
  const patience = new Patience(ms);
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<never>((_, reject) => {
    const look = (): void => {
      const { leftMs } = patience;
      if (leftMs <= 0) reject(late());
      else timer = setTimeout(look, leftMs);
    };
    look();
  });
  try {
    return await Promise.race([work(), end]);
  } finally {
    clearTimeout(timer);
  }
}
