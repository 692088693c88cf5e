import { freeing } from './event-lua.ts';
import type { Script } from './script.ts';

/** ARGV: name. From here on nothing is published to it; what it holds is let go of by `removeSliceScript`. */
export const removeScript: Script = freeing(`
local name = ARGV[1]
local uid = redis.call('HGET', R .. ':subs', name)
if not uid then return 0 end
local S = R .. ':s:' .. uid
redis.call('HDEL', R .. ':subs', name)
redis.call('HINCRBY', R .. ':meta', 'gen', 1)
redis.call('HSET', R .. ':gone', uid, name)
local counts = redis.call('HKEYS', S .. ':counts')
for _, p in ipairs(counts) do
  redis.call('HSET', S .. ':ends', p, infoOf(R .. ':log:' .. p, 'last-generated-id'))
end
redis.call('PUBLISH', channel, '*')
return 1
`);

/** Goes on with a removal, of whoever began it. Answers whether there is more to do. */
export const removeSliceScript: Script = freeing(`
local gone = redis.call('HGETALL', R .. ':gone')
if #gone == 0 then return 0 end
local uid, name = gone[1], gone[2]
local S, G = R .. ':s:' .. uid, name .. ':' .. uid
local ends = redis.call('HGETALL', S .. ':ends')
if #ends == 0 then
  for _, key in ipairs({'live', 'counts', 'fences', 'cells', 'dead', 'deadstate', 'lister', 'ends'}) do
    redis.call('UNLINK', S .. ':' .. key)
  end
  redis.call('HDEL', R .. ':gone', uid)
  return #gone > 2 and 1 or 0
end
local p, last = ends[1], ends[2]
local log, limit = R .. ':log:' .. p, 200
-- large documents a few at a time: all of them are in this script's memory
local sample = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if sample then
  local bytes = 1
  for _, field in ipairs(sample[2]) do bytes = bytes + #field end
  limit = math.max(1, math.min(limit, math.floor(4194304 / bytes)))
end
local function settle(id, fields)
  redis.call('XACK', log, G, id)
  if fields then letGo(S, p, 'l', id, tonumber(fieldOf(fields, 'n') or 0)) end
end
local function isAfter(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  local lastMs, lastSeq = string.match(last, '^(%d+)%-(%d+)$')
  ms, lastMs = tonumber(ms), tonumber(lastMs)
  return ms > lastMs or (ms == lastMs and tonumber(seq) > tonumber(lastSeq))
end
local pending = redis.call('XPENDING', log, G, '-', '+', limit)
for _, entry in ipairs(pending) do
  local found = redis.call('XRANGE', log, entry[1], entry[1])[1]
  settle(entry[1], found and found[2])
end
if #pending == limit then return 1 end
local found = redis.call('XREADGROUP', 'GROUP', G, '~', 'COUNT', limit, 'STREAMS', log, '>')
local entries = found and found[1][2] or {}
local finished = #entries < limit
for _, entry in ipairs(entries) do
  -- what was published since was never meant for it
  if isAfter(entry[1]) then
    finished = true
    break
  end
  settle(entry[1], entry[2])
end
if not finished then return 1 end
redis.call('XGROUP', 'DESTROY', log, G)
redis.call('UNLINK', S .. ':due:' .. p, S .. ':state:' .. p, S .. ':own:' .. p)
redis.call('HDEL', S .. ':ends', p)
if redis.call('XLEN', log) == 0 and infoOf(log, 'groups') == 0 then
  redis.call('DEL', log)
  redis.call('HDEL', R .. ':meta', 'g' .. p)
end
return 1
`);

/** ARGV: name. Answers ready, leased, delayed, dead, age of the oldest in ms (-1: there is none), living members. */
export const inspectScript: Script = freeing(`
local name = ARGV[1]
local uid = redis.call('HGET', R .. ':subs', name)
if not uid then return false end
local S, G = R .. ':s:' .. uid, name .. ':' .. uid
local t = now()
local ready, leased, delayed, oldest = 0, 0, 0, t + 1
local function age(id) oldest = math.min(oldest, tonumber(string.match(id, '^%d+'))) end
local counts = redis.call('HGETALL', S .. ':counts')
for i = 1, #counts, 2 do
  local p = counts[i]
  local due = S .. ':due:' .. p
  local parked, ripe = redis.call('ZCARD', due), redis.call('ZCOUNT', due, '-inf', t)
  ready = ready + ripe
  delayed = delayed + parked - ripe
  for _, kind in ipairs({'o', 'l'}) do
    if grouped(S, kind, p) then
      local pending = redis.call('XPENDING', streamOf(S, kind, p), G)
      leased = leased + pending[1]
      if pending[1] > 0 then age(pending[2]) end
    end
  end
  leased = leased - parked
  local log = R .. ':log:' .. p
  local unread = infoOf(log, 'entries-added') - counts[i + 1]
  if unread > 0 then
    ready = ready + unread
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', log)) do
      if fieldOf(group, 'name') == G then
        local first = redis.call('XRANGE', log, '(' .. fieldOf(group, 'last-delivered-id'), '+', 'COUNT', 1)[1]
        if first then age(first[1]) end
      end
    end
  end
end
return {
  ready, leased, delayed, redis.call('XLEN', S .. ':dead'),
  oldest > t and -1 or math.max(0, t - oldest),
  redis.call('ZCOUNT', S .. ':live', '(' .. t, '+inf'),
}
`);

/** ARGV: name, lister, lease in ms, last id it has, id it goes up to ('' for what is there now), how many. Answers
 *  { 'gone' }, { 'wait', ms } while another lists, or { 'ok', id it goes up to, entries, their later states }. */
export const listDeadScript: Script = freeing(`
local uid = redis.call('HGET', R .. ':subs', ARGV[1])
if not uid then return {'gone'} end
local S = R .. ':s:' .. uid
local lister, dead = S .. ':lister', S .. ':dead'
local holder = redis.call('GET', lister)
if holder and holder ~= ARGV[2] then return {'wait', redis.call('PTTL', lister)} end
if not holder and ARGV[4] ~= '' then return {'lost'} end
redis.call('SET', lister, ARGV[2], 'PX', ARGV[3])
local upTo = ARGV[5]
if upTo == '' then
  local newest = redis.call('XREVRANGE', dead, '+', '-', 'COUNT', 1)[1]
  if not newest then return {'ok', '', {}, {}} end
  upTo = newest[1]
end
local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
local entries, states = {}, {}
if ARGV[6] ~= '0' then entries = redis.call('XRANGE', dead, from, upTo, 'COUNT', ARGV[6]) end
for i, entry in ipairs(entries) do states[i] = redis.call('HGET', S .. ':deadstate', entry[1]) end
return {'ok', upTo, entries, states}
`);

/** ARGV: name, lister. Lets others list. */
export const endListScript: Script = freeing(`
local uid = redis.call('HGET', R .. ':subs', ARGV[1])
if not uid then return 0 end
local lister = R .. ':s:' .. uid .. ':lister'
if redis.call('GET', lister) ~= ARGV[2] then return 0 end
redis.call('DEL', lister)
return redis.call('PUBLISH', channel, '*')
`);

/** ARGV: name, lister, then for each: its id and 'done', or 'keep' and a state, or 'again', a delay and a state.
 *  Answers 1 or 0 for each. */
export const settleDeadScript: Script = freeing(`
local uid = redis.call('HGET', R .. ':subs', ARGV[1])
if not uid then return {'gone'} end
local S, G = R .. ':s:' .. uid, ARGV[1] .. ':' .. uid
if redis.call('GET', S .. ':lister') ~= ARGV[2] then return {'lost'} end
local dead, states = S .. ':dead', S .. ':deadstate'
local answers, ring = {'ok'}, {}
local at = 3
local function take() at = at + 1 return ARGV[at - 1] end
local function forget(id)
  redis.call('HDEL', states, id)
  return redis.call('XDEL', dead, id)
end
local function redrive(id, delay, state)
  local entry = redis.call('XRANGE', dead, id, id)[1]
  if not entry then return 0 end
  local fields = entry[2]
  local p = fields[#fields]
  local own = S .. ':own:' .. p
  if redis.call('EXISTS', own) == 0 then redis.call('XGROUP', 'CREATE', own, G, '$', 'MKSTREAM') end
  local copy = redis.call('XADD', own, '*', unpack(fields, 1, #fields - 4))
  -- pending for nobody, as everything that waits to be handed out again
  redis.call('XCLAIM', own, G, '~', 0, copy, 'FORCE', 'JUSTID')
  redis.call('XGROUP', 'SETID', own, G, copy)
  redis.call('ZADD', S .. ':due:' .. p, now() + delay, refOf('o', copy))
  redis.call('HSET', S .. ':state:' .. p, refOf('o', copy), state)
  ring[p] = true
  return forget(id)
end
while at <= #ARGV do
  local id, verdict = take(), take()
  local answer
  if verdict == 'done' then answer = forget(id)
  elseif verdict == 'again' then answer = redrive(id, tonumber(take()), take())
  else
    local state = take()
    answer = #redis.call('XRANGE', dead, id, id)
    if answer == 1 then redis.call('HSET', states, id, state) end
  end
  answers[#answers + 1] = answer
end
for p in pairs(ring) do redis.call('PUBLISH', channel, p) end
return answers
`);
