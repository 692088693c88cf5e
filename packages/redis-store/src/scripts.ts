import { createHash } from 'node:crypto';

/** A script with one key, so that any node of a cluster can run it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/*
 * A key holds 'd' when it is done, else 'r' and the owner of the run, for as long as the lease lasts by the server's clock.
 * ARGV[1] is the owner; '' where runs are not told apart.
 */

/** ARGV[2]: lease in ms. */
export const begin: Script = script(`local held = redis.call('GET', KEYS[1])
if held == 'd' then return 'done' end
if held and (ARGV[1] == '' or held ~= 'r' .. ARGV[1]) then return 'running' end
redis.call('SET', KEYS[1], 'r' .. ARGV[1], 'PX', ARGV[2])
return 'new'`);

/** ARGV[2]: how long it is kept in ms, '' for ever. */
export const done: Script = script(`local held = redis.call('GET', KEYS[1])
if held and held ~= 'd' and held ~= 'r' and ARGV[1] ~= '' and held ~= 'r' .. ARGV[1] then return 'lost' end
if ARGV[2] == '' then redis.call('SET', KEYS[1], 'd') else redis.call('SET', KEYS[1], 'd', 'PX', ARGV[2]) end
return 'done'`);

export const fail: Script = script(`local held = redis.call('GET', KEYS[1])
if held and held ~= 'd' and (ARGV[1] == '' or held == 'r' or held == 'r' .. ARGV[1]) then redis.call('DEL', KEYS[1]) end
return 'free'`);
