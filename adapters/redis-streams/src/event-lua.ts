import { type Script, script } from './script.ts';

/*
 * What the scripts of the event bus share. All keys of a topic are in one slot of a cluster; KEYS[1] is its tag.
 *
 *   :subs          name -> uid of every subscription; the uid is never used twice
 *   :meta          last uid; `gen`, which changes with the subscriptions; `g<p>`, the gen for which partition p has all groups
 *   :log:<p>       the documents; field `n` is how many subscriptions there were: that many have to settle it
 *   :acks:<p>      id -> how many have settled it, where it is more than none and less than all
 *   :pub:<id>      what a publisher has stored last; expires
 *   :gone          uid -> name of subscriptions that are being removed
 *   :s:<uid>:...   what belongs to one subscription, below as S:
 *   S:counts       p -> entries ever added to log:<p> when the group was made, plus those handed out from it since
 *   S:own:<p>      redriven documents, for this subscription alone
 *   S:due:<p>      what is pending for nobody (consumer ~), by the time from which it may be handed out
 *   S:state:<p>    ref -> the runtime's state
 *   S:live         member -> end of its lease
 *   S:fences       p -> token of its owner; the owner's consumer is named by the token
 *   S:cells        what the members of a subscription ordered by key share its partitions with
 *   S:dead         dead letters; S:deadstate: their later states; S:lister: who lists them
 *   S:ends         p -> last document to be let go of, while the subscription is being removed
 *
 * Of a script that a crash of the server has torn, its first writes may be done, and the others not (decision 0029). So
 * what must not be lost is written to its new place before it is taken from the old one.
 *
 * A ref is `l` (log) or `o` (own) and the id with its ordinal padded, so that refs sort as ids do; in S:due it ends
 * with ! where the document may have been handed out since it was stored or given back.
 */
const shared = `
local R = KEYS[1]
local channel = string.sub(R, 2, -2)
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function find(name, uid)
  if redis.call('HGET', R .. ':subs', name) ~= uid then return nil end
  return R .. ':s:' .. uid, name .. ':' .. uid
end
local function streamOf(S, kind, p)
  if kind == 'l' then return R .. ':log:' .. p end
  return S .. ':own:' .. p
end
local function grouped(S, kind, p)
  if kind == 'l' then return redis.call('HEXISTS', S .. ':counts', p) == 1 end
  return redis.call('EXISTS', S .. ':own:' .. p) == 1
end
local function refOf(kind, id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return kind .. ms .. '-' .. string.format('%08d', tonumber(seq))
end
local function idOf(ref)
  local ms, seq, mark = string.match(ref, '^.(%d+)%-(%d+)(!?)$')
  return ms .. '-' .. string.format('%d', tonumber(seq)), mark
end
local function fenced(S, p, token, me)
  if token == '' then return not redis.call('ZSCORE', S .. ':live', me) end
  return redis.call('HGET', S .. ':fences', p) ~= token
end
local function infoOf(stream, name)
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do if info[i] == name then return info[i + 1] end end
end
local function park(S, G, p, kind, id, score, mark)
  local due, ref = S .. ':due:' .. p, refOf(kind, id) .. mark
  redis.call('ZADD', due, score, ref)
  if #redis.call('XCLAIM', streamOf(S, kind, p), G, '~', 0, id, 'JUSTID') == 1 then return 1 end
  redis.call('ZREM', due, ref)
  return 0
end
local function parkAll(S, G, p, consumer, limit)
  local moved = 0
  for _, kind in ipairs({'o', 'l'}) do
    if grouped(S, kind, p) then
      local stream = streamOf(S, kind, p)
      local found = redis.call('XPENDING', stream, G, '-', '+', limit, consumer)
      for _, entry in ipairs(found) do park(S, G, p, kind, entry[1], 0, '!') end
      if #found == limit then return moved + #found, false end
      redis.call('XGROUP', 'DELCONSUMER', stream, G, consumer)
      moved = moved + #found
      limit = limit - #found
    end
  end
  return moved, true
end
local function letGo(S, p, kind, id, n)
  if kind == 'l' then
    if n == 0 then n = redis.call('HLEN', R .. ':subs') end
    if n > 1 then
      if redis.call('HINCRBY', R .. ':acks:' .. p, id, 1) < n then return end
      redis.call('HDEL', R .. ':acks:' .. p, id)
    end
  end
  redis.call('XDEL', streamOf(S, kind, p), id)
end
local function fieldOf(fields, name)
  for i = 1, #fields, 2 do if fields[i] == name then return fields[i + 1] end end
end
`;

/** What was found out by the server's memory being full must not keep anything from being settled. */
const evenWhenFull = '#!lua flags=allow-oom\n';

/** A script that may be refused where the server is full. */
export const storing = (lua: string): Script => script(shared + lua);

/** A script that frees, or is needed to free. */
export const freeing = (lua: string): Script => script(evenWhenFull + shared + lua);
