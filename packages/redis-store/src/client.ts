/** What is needed of ioredis 5 or 6: a `Redis` or a `Cluster` has it. It is passed in, and stays yours to close. */
export interface RedisClient {
  evalsha(sha: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
  info(section: string): Promise<string>;
}

/** Of a cluster. */
interface Cluster {
  nodes(role: 'master'): readonly Pick<RedisClient, 'info'>[];
}

/** The servers that keep what is written through this client. */
export function mastersOf(client: RedisClient): readonly Pick<RedisClient, 'info'>[] {
  const { nodes } = client as Partial<Cluster>;
  if (typeof nodes !== 'function') return [client];
  return (client as unknown as Cluster).nodes('master');
}
