import { memoryOutbox, type MemoryTransaction, type OutboxStore } from '@duobus/outbox';
import type { OutboxStage } from '../../src/outbox/index.ts';

type Store = OutboxStore<MemoryTransaction>;

/** Members of a store that are other than they should be. */
export type Break = (store: Store) => Partial<Store>;

/** An outbox in memory, whole or broken. */
export function memoryStage(breakIt: Break = () => ({})): OutboxStage<MemoryTransaction> {
  const outbox = memoryOutbox({ source: '/suite' });
  const { store: sound } = outbox;
  const broken = breakIt(sound);
  const store = new Proxy<Store>(sound, {
    get: (_, name) => {
      const member = broken[name as keyof Store] ?? sound[name as keyof Store];
      return member.bind(sound as never);
    },
  });
  return {
    store,
    other: store,
    begin: () => {
      const tx = outbox.begin();
      return { tx, commit: () => tx.commit(), rollback: () => tx.rollback() };
    },
    close: () => undefined,
  };
}
