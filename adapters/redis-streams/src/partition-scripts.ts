import { type Script, script } from './script.ts';

/*
 * Ids are `<ms>-<ordinal>`: the server's time, which never goes back in a stream, and the number of the record in its
 * partition, which has no gaps. So an id is a time, and what lies between two is a subtraction.
 * KEYS are always those of `partitionKeys`, in this order.
 */
const prelude = `
local log, meta, sizes, publishers, newest, removals = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local stored = redis.call('HMGET', meta, 'incarnation', 'next', 'ms', 'bytes', 'first', 'firstMs', 'pieceBytes',
  'pieceCount', 'pieceMs', 'maxAgeMs', 'maxBytes', 'compacted')
if stored[1] ~= ARGV[1] then return {'gone'} end
local next, ms, bytes = tonumber(stored[2]), tonumber(stored[3]), tonumber(stored[4])
local first, firstMs = tonumber(stored[5]), tonumber(stored[6])
local pieceBytes, pieceCount, pieceMs = tonumber(stored[7]), tonumber(stored[8]), tonumber(stored[9])
local maxAgeMs, maxBytes, compacted = tonumber(stored[10]), tonumber(stored[11]), stored[12] == '1'
local changed = false

local function number(n) return string.format('%.0f', n) end
local function save()
  redis.call('HSET', meta, 'next', number(next), 'ms', number(ms), 'bytes', number(bytes), 'first', number(first),
    'firstMs', number(firstMs), 'pieceBytes', number(pieceBytes), 'pieceCount', number(pieceCount), 'pieceMs',
    number(pieceMs))
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
`;

/** Retention goes by pieces of the stream, whose sizes are kept: nothing has to be read to be removed. A piece ends
 *  with 64 records, 16 KiB or a hundredth of the age allowed. At least `maxBytes` are kept. */
const retention = `
local function grow(size)
  if pieceCount == 0 then pieceMs = ms end
  pieceBytes, pieceCount, bytes = pieceBytes + size, pieceCount + 1, bytes + size
  if pieceCount >= 64 or pieceBytes >= 16384 or (maxAgeMs and (ms - pieceMs) * 100 >= maxAgeMs) then
    redis.call('RPUSH', sizes, number(ms) .. '-' .. number(next) .. ':' .. number(pieceBytes))
    pieceBytes, pieceCount = 0, 0
  end
end
local function headPiece()
  local head = redis.call('LINDEX', sizes, 0)
  if not head then return false, ms, next - 1, pieceBytes end
  local t, n, b = string.match(head, '^(%d+)-(%d+):(%d+)$')
  return true, tonumber(t), tonumber(n), tonumber(b)
end
local function dropPiece(closed, t, n, b)
  if closed then redis.call('LPOP', sizes) else pieceBytes, pieceCount = 0, 0 end
  bytes, first, firstMs, changed = bytes - b, n + 1, t, true
end
local function trim(most)
  if compacted or not (maxAgeMs or maxBytes) then return end
  local dropped = false
  for _ = 1, most do
    local closed, t, n, b = headPiece()
    if not closed and pieceCount == 0 then break end
    local old = maxAgeMs and t < now - maxAgeMs
    if not old and not (maxBytes and bytes - b >= maxBytes) then break end
    dropPiece(closed, t, n, b)
    dropped = true
  end
  if dropped then redis.call('XTRIM', log, 'MINID', '=', number(firstMs) .. '-' .. number(first)) end
end
`;

/** Somebody else may write to the stream as well, and ids must grow all the same. */
const clock = `
local function passForeign()
  local info = redis.call('XINFO', 'STREAM', log)
  for at = 1, #info, 2 do
    if info[at] == 'last-generated-id' then
      local t, n = string.match(info[at + 1], '^(%d+)-(%d+)$')
      t, n = tonumber(t), tonumber(n)
      if t > ms then ms = t end
      if t == ms and n >= next then ms = ms + 1 end
    end
  end
end
if now > ms then ms = now end
`;

/** Of every key the newest record is kept, and of those that say that it is gone only for a day. What is replaced is removed
 *  at the very end: of a write that a crash has torn only the beginning may be done (see decision 0029). */
const compaction = `
local replaced = {}
local function compact(key, id, size, removal)
  local before = redis.call('HGET', newest, key)
  if before then
    local old, b = string.match(before, '^([^:]+):(%d+)$')
    if redis.call('XRANGE', log, old, old)[1] then bytes = bytes - tonumber(b) end
    replaced[#replaced + 1] = old
  end
  redis.call('HSET', newest, key, id .. ':' .. number(size))
  if removal then redis.call('RPUSH', removals, id .. ' ' .. key) end
end
local function forgetRemovals()
  for _ = 1, 8 do
    local head = redis.call('LINDEX', removals, 0)
    if not head then return end
    local id, key = string.match(head, '^([^ ]+) (.*)$')
    if tonumber(string.match(id, '^%d+')) > now - 86400000 then return end
    redis.call('LPOP', removals)
    local last = redis.call('HGET', newest, key)
    if last and string.match(last, '^[^:]+') == id then
      redis.call('HDEL', newest, key)
      if redis.call('XDEL', log, id) == 1 then bytes = bytes - tonumber(string.match(last, ':(%d+)$')) end
    end
  end
end
`;

/** ARGV: incarnation, maxAgeMs, maxBytes, compacted, partitions of the topic. Makes ready. Replies: ready, or other, with
 *  the incarnation and the partitions of the topic whose partition this is. */
export const prepareScript: Script = script(`
local log, meta, sizes, publishers, newest, removals = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local stored = redis.call('HMGET', meta, 'incarnation', 'partitions')
if stored[1] and stored[1] ~= ARGV[1] then return {'other', stored[1], tonumber(stored[2])} end
if not stored[1] then
  redis.call('DEL', log, meta, sizes, publishers, newest, removals)
  redis.call('HSET', meta, 'v', '1', 'incarnation', ARGV[1], 'next', '0', 'ms', '0', 'bytes', '0', 'first', '0',
    'firstMs', '0', 'pieceBytes', '0', 'pieceCount', '0', 'pieceMs', '0', 'maxAgeMs', ARGV[2], 'maxBytes', ARGV[3],
    'compacted', ARGV[4])
end
redis.call('HSET', meta, 'maxAgeMs', ARGV[2], 'maxBytes', ARGV[3], 'partitions', ARGV[5])
return {'ready'}`);

/**
 * ARGV: incarnation, publisher, number of the call, channel, partition, count, then per record: 'r' or 't' (the key is
 * gone) with the number of arguments, fields and values.
 * Replies: gone; gap (an earlier call of this publisher is missing); forgotten (it was stored long ago); or stored, ms,
 * ordinal of the first record, whether now or by an earlier run of the same call.
 */
export const appendScript: Script = script(`${prelude}
local call, last = tonumber(ARGV[3]), 0
local said = redis.call('HGET', publishers, ARGV[2])
if said then
  for c, t, n in string.gmatch(said, '(%d+):(%d+):(%d+)') do
    if tonumber(c) == call then
      -- a write of this connection, for which WAIT can wait
      redis.call('HSET', publishers, ARGV[2], said)
      return {'stored', tonumber(t), tonumber(n)}
    end
  end
  last = tonumber(string.match(said, '^%d+'))
end
if call <= last then return {'forgotten'} end
if call ~= last + 1 then return {'gap'} end
${clock}${retention}${compaction}
local begin, at = next, 7
for i = 1, tonumber(ARGV[6]) do
  local kind, from = string.byte(ARGV[at]), at + 1
  local to = at + tonumber(string.sub(ARGV[at], 2))
  local id = number(ms) .. '-' .. number(next)
  local added = redis.pcall('XADD', log, id, 'duobus', '1', unpack(ARGV, from, to))
  if type(added) == 'table' and added.err and i == 1 and string.find(added.err, 'equal or smaller', 1, true) then
    passForeign()
    id = number(ms) .. '-' .. number(next)
    added = redis.pcall('XADD', log, id, 'duobus', '1', unpack(ARGV, from, to))
  end
  if type(added) == 'table' and added.err then return added end
  local size = 0
  for each = from, to do size = size + #ARGV[each] end
  if compacted then
    bytes = bytes + size
    if ARGV[from] == 'key' then compact(ARGV[from + 1], id, size, kind == 116) end
  else
    grow(size)
  end
  next, at = next + 1, to + 1
end
if compacted then forgetRemovals() end
trim(64)
save()
local kept, count = number(call) .. ':' .. number(ms) .. ':' .. number(begin), 1
if said then
  for each in string.gmatch(said, '[^;]+') do
    if count < 8 then kept, count = kept .. ';' .. each, count + 1 end
  end
elseif redis.call('HLEN', publishers) > 16 then
  local all = redis.call('HGETALL', publishers)
  for p = 1, #all, 2 do
    if tonumber(string.match(all[p + 1], '^%d+:(%d+)')) < now - 3600000 then redis.call('HDEL', publishers, all[p]) end
  end
end
redis.call('HSET', publishers, ARGV[2], kept)
for _, old in ipairs(replaced) do redis.call('XDEL', log, old) end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return {'stored', ms, begin}`);

/** ARGV: incarnation. Applies retention. Replies: gone, or bounds, first, its ms, next, ms of the last record, whether there
 *  may be entries without a place of their own. */
export const boundsScript: Script = script(`${prelude}${retention}
trim(1000)
if not compacted and redis.call('XLEN', log) ~= next - first then
  -- somebody else has added or removed entries
  local head = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  local t, n = ms, next
  if head then
    t, n = string.match(head[1], '^(%d+)-(%d+)$')
    t, n = tonumber(t), tonumber(n)
  end
  if n > first and n <= next and (not head or head[2][1] == 'duobus') then
    first, firstMs, changed = n, t, true
    for _ = 1, 1000 do
      local closed, _, last, b = headPiece()
      if (not closed and pieceCount == 0) or last >= first then break end
      if closed then redis.call('LPOP', sizes) else pieceBytes, pieceCount = 0, 0 end
      bytes = bytes - b
    end
  end
end
if changed then save() end
local more = compacted or redis.call('XLEN', log) > next - first
return {'bounds', first, firstMs, next, ms, more and 1 or 0}`);

/** ARGV: incarnation, channel, partition, ids of ghosts: entries of a write that a crash has torn, whose ordinals were given
 *  again. They are removed; the newest of a key in a compacted topic is put at the end. Replies: gone, or the count. */
export const buryScript: Script = script(`${prelude}${clock}
local count, moved = 0, 0
for at = 4, #ARGV do
  local id = ARGV[at]
  local entry = redis.call('XRANGE', log, id, id)[1]
  if entry then
    count = count + 1
    local fields = entry[2]
    local last = compacted and fields[3] == 'key' and redis.call('HGET', newest, fields[4])
    if last and string.match(last, '^[^:]+') == id then
      passForeign()
      local copy = number(ms) .. '-' .. number(next)
      redis.call('XADD', log, copy, unpack(fields))
      redis.call('HSET', newest, fields[4], copy .. string.match(last, ':%d+$'))
      next, moved = next + 1, moved + 1
    end
    redis.call('XDEL', log, id)
  end
end
if moved > 0 then
  save()
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return {'buried', count}`);

/** ARGV: incarnation, channel, partition, ids. Entries of other writers, which have no ordinal, are put at the end as
 *  records. Replies: gone, or the count. */
export const adoptScript: Script = script(`${prelude}${clock}${retention}
local count = 0
for at = 4, #ARGV do
  local entry = redis.call('XRANGE', log, ARGV[at], ARGV[at])[1]
  if entry and entry[2][1] ~= 'duobus' then
    passForeign()
    redis.call('XDEL', log, ARGV[at])
    redis.call('XADD', log, number(ms) .. '-' .. number(next), 'duobus', '1', unpack(entry[2]))
    local size = 0
    for _, each in ipairs(entry[2]) do size = size + #each end
    if compacted then bytes = bytes + size else grow(size) end
    next, count = next + 1, count + 1
  end
end
if count > 0 then
  save()
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return {'adopted', count}`);

/** ARGV: incarnation, ms. Replies: gone, or place, ms, ordinal of the first record of that time or later. */
export const placeAtScript: Script = script(`${prelude}${retention}
trim(1000)
if changed then save() end
local from = ARGV[2]
for _ = 1, 1000 do
  local entry = redis.call('XRANGE', log, from, '+', 'COUNT', 1)[1]
  if not entry then break end
  if entry[2][1] == 'duobus' then
    local t, n = string.match(entry[1], '^(%d+)-(%d+)$')
    return {'place', tonumber(t), tonumber(n)}
  end
  from = '(' .. entry[1]
end
return {'place', ms, next}`);

/** ARGV: incarnation, ordinal. Replies: gone, or place, a ms from which that record is found by its id. */
export const timeOfScript: Script = script(`${prelude}
local wanted = tonumber(ARGV[2])
local low, high = firstMs, ms
while low < high do
  local middle = math.floor((low + high) / 2)
  local entry = redis.call('XREVRANGE', log, number(middle), '-', 'COUNT', 1)[1]
  local n = entry and tonumber(string.match(entry[1], '-(%d+)$')) or -1
  if n < wanted then low = middle + 1 else high = middle end
end
return {'place', low}`);
