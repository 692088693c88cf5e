import { abortable, type Cell, type CellResult, type Cells } from '@duobus/core/driver';
import { freeing } from './event-lua.ts';
import { eventChannel, type Scope, subscriptionGone } from './queue-scope.ts';

/*
 * The cells of a subscription ordered by key are one hash, S:cells, in which a value is `<version>:<text>`; field `#` is
 * the last version.
 */

/** ARGV: name, uid, then the keys, or none for all. */
const getScript = freeing(`
local S = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local cells = S .. ':cells'
if #ARGV == 2 then return {'ok', redis.call('HGETALL', cells)} end
local found = {}
for i = 3, #ARGV do
  local text = redis.call('HGET', cells, ARGV[i])
  if text then
    found[#found + 1] = ARGV[i]
    found[#found + 1] = text
  end
end
return {'ok', found}
`);

/** ARGV: name, uid, channel or '', then key, 'set' and the text or 'delete', and the version it must have, for each. */
const putScript = freeing(`
local S = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local cells = S .. ':cells'
local results = {}
for at = 4, #ARGV, 3 do
  local key, value = ARGV[at], ARGV[at + 1]
  local found = redis.call('HGET', cells, key)
  if (found and string.match(found, '^%d+') or '') ~= ARGV[at + 2] then
    results[#results + 1] = 'conflict'
  elseif value == 'delete' then
    redis.call('HDEL', cells, key)
    results[#results + 1] = ''
  else
    local version = tostring(redis.call('HINCRBY', cells, '#', 1))
    redis.call('HSET', cells, key, version .. ':' .. string.sub(value, 4))
    results[#results + 1] = version
  end
end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], '') end
return {'ok', results}
`);

/** What the members of a subscription share its partitions with. */
export function cellsOf(scope: Scope): Cells {
  const channel = `${eventChannel(scope.topic)}:${scope.uid}`;
  const answer = async (
    code: typeof getScript,
    args: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly string[]> => {
    const running = scope.run(code, args, 'share the partitions of');
    const { status, values } = await abortable(running, signal);
    if (status === 'gone') throw subscriptionGone(scope.topic.name, scope.name);
    return values[0] as readonly string[];
  };
  const read = async (keys: readonly string[], signal: AbortSignal): Promise<readonly Cell[]> => {
    const pairs = await answer(getScript, keys, signal);
    const cells: Cell[] = [];
    for (let at = 0; at < pairs.length; at += 2) {
      const [key, text] = [pairs[at] as string, pairs[at + 1] as string];
      const colon = text.indexOf(':');
      if (key !== '#')
        cells.push({ key, value: text.slice(colon + 1), version: text.slice(0, colon) });
    }
    return cells;
  };
  return {
    get: (keys, signal) => (keys.length === 0 ? Promise.resolve([]) : read(keys, signal)),
    list: (signal) => read([], signal),
    async put(writes, news, signal) {
      const args = writes.flatMap(({ key, value, ifVersion }) => [
        key,
        value === undefined ? 'delete' : `set${value}`,
        ifVersion ?? '',
      ]);
      const results = await answer(putScript, [news ? channel : '', ...args], signal);
      return results.map(resultOf);
    },
    watch: (changed) => scope.connection.listen(channel, () => changed()),
  };
}

function resultOf(text: string): CellResult {
  if (text === 'conflict') return { status: 'conflict' };
  return { status: 'written', version: text === '' ? undefined : text };
}
