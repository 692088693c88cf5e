import { createHash } from 'node:crypto';

/** A Lua script as the server knows it: sent once, called by its digest from then on. */
export interface Script {
  readonly sha: string;
  readonly lua: string;
}

export function script(lua: string): Script {
  return Object.freeze({ sha: createHash('sha1').update(lua).digest('hex'), lua });
}
