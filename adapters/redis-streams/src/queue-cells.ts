import { abortable, type Cell, type Cells } from '@duobus/core/driver';
import { argumentsOf, cellOf, putCells, resultsOf } from './cells-text.ts';
import { freeing } from './event-lua.ts';
import { eventChannel, type Scope, subscriptionGone } from './queue-scope.ts';

/*
 * The cells of a subscription ordered by key are one hash, S:cells; field `#` is the last version.
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

/** ARGV: name, uid, channel or '', then the writes. */
const putScript = freeing(`${putCells}
local S = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local results = putCells(S .. ':cells', 4, S .. ':cells', '#')
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
      if (key !== '#') cells.push(cellOf(key, text));
    }
    return cells;
  };
  return {
    get: (keys, signal) => (keys.length === 0 ? Promise.resolve([]) : read(keys, signal)),
    list: (signal) => read([], signal),
    async put(writes, news, signal) {
      const args = [news ? channel : '', ...argumentsOf(writes)];
      return resultsOf(await answer(putScript, args, signal));
    },
    watch: (changed) => scope.connection.listen(channel, () => changed()),
  };
}
