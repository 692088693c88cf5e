export { redisStore } from './redis-store.ts';
export type { RedisStoreOptions } from './options.ts';
export type { RedisClient } from './client.ts';
