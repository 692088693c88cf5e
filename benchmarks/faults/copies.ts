import type { BrokerNode } from '@duobus/brokers';

/** A partition, a queue or a stream that is kept on several nodes. */
export interface Copied {
  readonly name: string;
  readonly leader: BrokerNode;
}

/** How the nodes of a cluster share the work, by the broker's own account. */
export interface Copies extends AsyncDisposable {
  /** What the documents of the topic are kept in, as far as anybody leads it. */
  leaders(): Promise<readonly Copied[]>;
  /** What is not on all nodes; of what is called `busy` also whether all have as much as it held when this was called.
   *  Empty: all is. */
  behind(busy?: string): Promise<readonly string[]>;
}

/** Nothing where nobody leads: an election is under way. */
export function copiedOn(
  nodes: readonly BrokerNode[],
  index: number,
  name: string,
): readonly Copied[] {
  const leader = nodes[index];
  return leader === undefined ? [] : [{ name, leader }];
}
