import { field, resp } from './resp.ts';

/** The server answers, and with `?cluster=true` so does its cluster; resolves to the version. */
export async function redisHandshake(url: string): Promise<string> {
  const [, info] = await resp(url, ['PING'], ['INFO', 'server']);
  if (new URL(url).searchParams.get('cluster') === 'true') {
    const [cluster] = await resp(url, ['CLUSTER', 'INFO']);
    const state = field(cluster, 'cluster_state');
    if (state !== 'ok') throw new Error(`the state of the cluster is ${state}`);
  }
  return field(info, 'valkey_version') ?? field(info, 'redis_version') ?? 'unknown';
}
