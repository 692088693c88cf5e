import type { Script } from './script.ts';
import { freeing, storing } from './event-lua.ts';

/*
 * Scripts of members of a subscription. They answer { 'gone' } where the subscription no longer exists, { 'lost' } where
 * the member, or its ownership of a partition, is over, else { 'ok', ... }.
 */

/** ARGV: partition, publisher, sequence, how long it is remembered in ms, then for each record the number of its fields
 *  and values, and these. Answers how many subscriptions there are, or -1 where it had been stored before. */
export const publishScript: Script = storing(`
local p, publisher, sequence = ARGV[1], ARGV[2], tonumber(ARGV[3])
local n = redis.call('HLEN', R .. ':subs')
if n == 0 then return 0 end
local remembered = R .. ':pub:' .. publisher
local last = tonumber(redis.call('GET', remembered) or 0)
if last >= sequence then
  -- a write of this connection, for which WAIT can wait
  redis.call('SET', remembered, last, 'PX', ARGV[4])
  return -1
end
local log = R .. ':log:' .. p
local gens = redis.call('HMGET', R .. ':meta', 'gen', 'g' .. p)
if gens[1] ~= gens[2] then
  local added = 0
  if redis.call('EXISTS', log) == 1 then added = infoOf(log, 'entries-added') end
  local subs = redis.call('HGETALL', R .. ':subs')
  for i = 1, #subs, 2 do
    if redis.call('HSETNX', R .. ':s:' .. subs[i + 1] .. ':counts', p, added) == 1 then
      redis.call('XGROUP', 'CREATE', log, subs[i] .. ':' .. subs[i + 1], '$', 'MKSTREAM')
    end
  end
  redis.call('HSET', R .. ':meta', 'g' .. p, gens[1])
end
local at = 5
while at <= #ARGV do
  local width = tonumber(ARGV[at])
  redis.call('XADD', log, '*', 'duobus', '1', 'n', n, unpack(ARGV, at + 1, at + width))
  at = at + width + 1
end
redis.call('SET', remembered, sequence, 'PX', ARGV[4])
redis.call('PUBLISH', channel, p)
return n
`);

/** ARGV: name, 'create' or 'check'. The groups are made by the next publish: nothing can be published before. */
export const subscribeScript: Script = storing(`
local name = ARGV[1]
local known = redis.call('HGET', R .. ':subs', name)
if known then
  if ARGV[2] == 'create' then redis.call('HSET', R .. ':subs', name, known) end
  return 'existed'
end
if ARGV[2] == 'check' then return 'missing' end
local uid = redis.call('HINCRBY', R .. ':meta', 'uid', 1)
redis.call('HSET', R .. ':subs', name, uid)
redis.call('HINCRBY', R .. ':meta', 'gen', 1)
return 'created'
`);

/** ARGV: name, member, lease in ms, members that are over. Answers the uid of the subscription. */
export const joinScript: Script = storing(`
local uid = redis.call('HGET', R .. ':subs', ARGV[1])
if not uid then return false end
local live = R .. ':s:' .. uid .. ':live'
redis.call('ZADD', live, now() + ARGV[3], ARGV[2])
for i = 4, #ARGV do redis.call('ZADD', live, 'XX', 0, ARGV[i]) end
return uid
`);

/** ARGV: name, uid, member, lease in ms, order. Shows that the member lives and takes from one that does not.
 *  Answers when the next lease ends, in ms, and whether a subscription is still being removed. */
export const tendScript: Script = freeing(`
local S, G = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local live, me = S .. ':live', ARGV[3]
if not redis.call('ZSCORE', live, me) then return {'lost'} end
local t = now()
redis.call('ZADD', live, t + ARGV[4], me)
local dead = redis.call('ZRANGEBYSCORE', live, '-inf', t, 'LIMIT', 0, 1)[1]
if dead then
  local moved, finished = 0, true
  if ARGV[5] == 'none' then moved, finished = parkAll(S, G, '0', dead, 200) end
  if finished then redis.call('ZREM', live, dead) end
  if moved > 0 then redis.call('PUBLISH', channel, '0') end
  return {'ok', 0, 0}
end
local first = redis.call('ZRANGE', live, 0, 0, 'WITHSCORES')
return {'ok', math.max(1, first[2] - t + 1), redis.call('EXISTS', R .. ':gone')}
`);

/** ARGV: name, uid, member, order. Gives back what it holds, some at a time. Answers whether there is more. */
export const leaveScript: Script = freeing(`
local S, G = find(ARGV[1], ARGV[2])
if not S or not redis.call('ZSCORE', S .. ':live', ARGV[3]) then return 0 end
if ARGV[4] == 'none' then
  local moved, finished = parkAll(S, G, '0', ARGV[3], 500)
  if moved > 0 then redis.call('PUBLISH', channel, '0') end
  if not finished then return 1 end
end
redis.call('ZREM', S .. ':live', ARGV[3])
return 0
`);

/** ARGV: name, uid, partition, token. Makes the token the one that counts, and takes what earlier owners held.
 *  Answers whether there is more. */
export const adoptScript: Script = freeing(`
local S, G = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local p, token = ARGV[3], ARGV[4]
local before = redis.call('HGET', S .. ':fences', p)
if before and tonumber(before) > tonumber(token) then return {'lost'} end
redis.call('HSET', S .. ':fences', p, token)
for _, kind in ipairs({'o', 'l'}) do
  if grouped(S, kind, p) then
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', streamOf(S, kind, p), G)) do
      local name = fieldOf(consumer, 'name')
      if name ~= '~' and name ~= token then
        local _, finished = parkAll(S, G, p, name, 500)
        if not finished then return {'ok', 1} end
      end
    end
  end
end
return {'ok', 0}
`);

/** ARGV: name, uid, partition, token (or '' where order is 'none'), member, how many. Answers after what time in ms
 *  there may be more by itself (-1: never), what was given back as { kind, mark, state, entry }, and new entries. */
export const readScript: Script = freeing(`
local S, G = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local p, token, me, count = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
if fenced(S, p, token, me) then return {'lost'} end
if token ~= '' then me = token end
local due, t = S .. ':due:' .. p, now()
local parked = {}
local ripe = redis.call('ZRANGEBYSCORE', due, '-inf', t, 'LIMIT', 0, count)
for _, ref in ipairs(ripe) do
  local kind = string.sub(ref, 1, 1)
  local id, mark = idOf(ref)
  local bare = string.sub(ref, 1, #ref - #mark)
  local entry = redis.call('XCLAIM', streamOf(S, kind, p), G, me, 0, id)[1]
  redis.call('ZREM', due, ref)
  if entry then
    parked[#parked + 1] = {kind, mark, redis.call('HGET', S .. ':state:' .. p, bare), entry}
  else
    -- somebody has deleted it by hand
    redis.call('HDEL', S .. ':state:' .. p, bare)
    redis.call('HDEL', R .. ':acks:' .. p, id)
  end
end
local fresh = {}
count = count - #ripe
if count > 0 and grouped(S, 'l', p) then
  local found = redis.call('XREADGROUP', 'GROUP', G, me, 'COUNT', count, 'STREAMS', R .. ':log:' .. p, '>')
  if found then
    fresh = found[1][2]
    redis.call('HINCRBY', S .. ':counts', p, #fresh)
  end
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return {'ok', first[2] and math.max(0, first[2] - t) or -1, parked, fresh}
`);

/** ARGV: name, uid, member, then operations (see queue-settle.ts). Answers 1 or 0 for each that settles. */
export const settleScript: Script = freeing(`
local S, G = find(ARGV[1], ARGV[2])
if not S then return {'gone'} end
local me, p, held, ring = ARGV[3], '0', false, {}
local answers = {'ok'}
local at = 4
local function take() at = at + 1 return ARGV[at - 1] end
local function answer(value) answers[#answers + 1] = value end
local function rung() ring[p] = true end
local operations = {
  -- what follows is about this partition
  p = function()
    p = take()
    held = not fenced(S, p, take(), me)
  end,
  -- finished by its only subscription
  d = function()
    local kind, count = take(), tonumber(take())
    local stream, first = streamOf(S, kind, p), at
    at = at + count
    if held then
      redis.call('XDEL', stream, unpack(ARGV, first, at - 1))
      redis.call('XACK', stream, G, unpack(ARGV, first, at - 1))
    end
    answer(held and 1 or 0)
  end,
  -- finished by one of several
  m = function()
    local count = tonumber(take())
    local log = streamOf(S, 'l', p)
    for _ = 1, count do
      local id, n = take(), tonumber(take())
      if held and redis.call('XACK', log, G, id) == 1 then letGo(S, p, 'l', id, n) end
    end
    answer(held and 1 or 0)
  end,
  -- states that are no longer needed
  s = function()
    local count, first = tonumber(take()), at
    at = at + count
    if held then
      for i = first, at - 1 do redis.call('HDEL', S .. ':state:' .. p, refOf(string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2))) end
    end
  end,
  -- again, after a delay
  a = function()
    local kind, id, delay, state = take(), take(), tonumber(take()), take()
    local score = now() + delay
    if not held or park(S, G, p, kind, id, score, '') == 0 then return answer(0) end
    redis.call('HSET', S .. ':state:' .. p, refOf(kind, id), state)
    if redis.call('ZRANK', S .. ':due:' .. p, refOf(kind, id)) == 0 then rung() end
    answer(1)
  end,
  -- given back, with its new state
  b = function()
    local kind, id, state = take(), take(), take()
    if not held or park(S, G, p, kind, id, 0, '') == 0 then return answer(0) end
    redis.call('HSET', S .. ':state:' .. p, refOf(kind, id), state)
    rung()
    answer(1)
  end,
  -- given back unseen
  u = function()
    local kind, id, mark = take(), take(), take()
    if held then
      park(S, G, p, kind, id, 0, mark)
      rung()
    end
  end,
  -- a state to be kept
  n = function()
    local kind, id, state = take(), take(), take()
    if held then redis.call('HSET', S .. ':state:' .. p, refOf(kind, id), state) end
    answer(held and 1 or 0)
  end,
  -- dead
  x = function()
    local kind, id, n, state = take(), take(), tonumber(take()), take()
    local stream = streamOf(S, kind, p)
    local entry = held and redis.call('XRANGE', stream, id, id)[1]
    if not entry then return answer(0) end
    local fields = entry[2]
    for _, text in ipairs({'duobus-state', state, 'duobus-partition', p}) do fields[#fields + 1] = text end
    local letter = redis.call('XADD', S .. ':dead', '*', unpack(fields))
    if redis.call('XACK', stream, G, id) == 0 then
      redis.call('XDEL', S .. ':dead', letter)
      return answer(0)
    end
    redis.call('HDEL', S .. ':state:' .. p, refOf(kind, id))
    letGo(S, p, kind, id, n)
    answer(1)
  end,
}
while at <= #ARGV do operations[take()]() end
for partition in pairs(ring) do redis.call('PUBLISH', channel, partition) end
return answers
`);
