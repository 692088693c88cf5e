import type { Cell, CellResult, CellWrite } from '@duobus/core/driver';

/*
 * Cells as fields of a hash: a value is `<version>:<text>`. What both buses have of it.
 */

/** For scripts that write cells. From ARGV[from] on are key, 'set' and the text or 'delete', and the version it must have
 *  ('' for none) of each write. Returns per write its version, '' where it was deleted, or 'conflict'. */
export const putCells = `
local function putCells(cells, from, counter, field)
  local results = {}
  for at = from, #ARGV, 3 do
    local key, value = ARGV[at], ARGV[at + 1]
    local found = redis.call('HGET', cells, key)
    if (found and string.match(found, '^%d+') or '') ~= ARGV[at + 2] then
      results[#results + 1] = 'conflict'
    elseif value == 'delete' then
      redis.call('HDEL', cells, key)
      results[#results + 1] = ''
    else
      local version = tostring(redis.call('HINCRBY', counter, field, 1))
      redis.call('HSET', cells, key, version .. ':' .. string.sub(value, 4))
      results[#results + 1] = version
    end
  end
  return results
end
`;

export function argumentsOf(writes: readonly CellWrite[]): readonly string[] {
  return writes.flatMap(({ key, value, ifVersion }) => [
    key,
    value === undefined ? 'delete' : `set${value}`,
    ifVersion ?? '',
  ]);
}

export function resultsOf(texts: readonly string[]): readonly CellResult[] {
  return texts.map((text) =>
    text === 'conflict'
      ? { status: 'conflict' }
      : { status: 'written', version: text === '' ? undefined : text },
  );
}

export function cellOf(key: string, text: string): Cell {
  const colon = text.indexOf(':');
  return { key, value: text.slice(colon + 1), version: text.slice(0, colon) };
}
