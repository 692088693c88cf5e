import type { Cell, Cells, StoredTopic } from '@duobus/core/driver';
import { abortable, hasPointers } from '@duobus/core/driver';
import { argumentsOf, cellOf, putCells, resultsOf } from './cells-text.ts';
import type { Connection } from './connection.ts';
import { cellsChannel, cellsKey, groupsKeys } from './keys.ts';
import { script } from './script.ts';
import { topicGone } from './topic-registry.ts';

/*
 * All cells of a group are one hash. Versions are never used twice, not even after a group was removed: a member of its
 * former life must not find a version it knows.
 */

/** KEYS: cells, meta, names. ARGV: incarnation, group, channel or '', then the writes. Replies: 'gone', or the results. */
const putScript = script(`${putCells}
if redis.call('HGET', KEYS[2], 'incarnation') ~= ARGV[1] then return 'gone' end
local results = putCells(KEYS[1], 4, KEYS[2], 'version')
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('SADD', KEYS[3], ARGV[2]) end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], '') end
return results`);

/** KEYS: meta, names. ARGV: incarnation, what comes before a group in the key of its cells. Groups of a topic that was
 *  there before are forgotten. */
const prepareScript = script(`
if redis.call('HGET', KEYS[1], 'incarnation') == ARGV[1] then return end
for _, group in ipairs(redis.call('SMEMBERS', KEYS[2])) do redis.call('DEL', ARGV[2] .. group) end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'v', '1', 'incarnation', ARGV[1])`);

/** KEYS: cells, names. ARGV: group. */
const removeScript = script(`
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])`);

/** The groups of data topics, as one connection reaches them. */
export class GroupCells {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Makes a topic ready for groups. */
  async prepare(topic: StoredTopic): Promise<void> {
    const { meta, names } = groupsKeys(topic);
    await this.#connection.run(
      'commands',
      prepareScript,
      [meta, names],
      [topic.incarnation, cellsKey(topic, '')],
      `make topic '${topic.name}'`,
    );
  }

  /** Groups that exist: those with a pointer, whether anybody runs or not. */
  async names(topic: StoredTopic): Promise<readonly string[]> {
    const { names } = groupsKeys(topic);
    return this.#connection.with(
      'commands',
      `list the groups of topic '${topic.name}'`,
      async (client) => {
        const known = (await client.smembers(names)).toSorted();
        const cells = await Promise.all(
          known.map(async (group) => cellsOf(await client.hgetall(cellsKey(topic, group)))),
        );
        return known.filter((_, at) => hasPointers(cells[at] ?? []));
      },
    );
  }

  /** Wakes the members of all groups. */
  async tellAll(topic: StoredTopic): Promise<void> {
    await this.#connection.with(
      'commands',
      `tell the members of topic '${topic.name}'`,
      async (client) => {
        const known = await client.smembers(groupsKeys(topic).names);
        await Promise.all(known.map((group) => client.publish(cellsChannel(topic, group), '')));
      },
    );
  }

  async remove(topic: StoredTopic, group: string): Promise<void> {
    await this.#connection.run(
      'commands',
      removeScript,
      [cellsKey(topic, group), groupsKeys(topic).names],
      [group],
      `remove group '${group}' of topic '${topic.name}'`,
    );
  }

  of(topic: StoredTopic, group: string): Cells {
    const connection = this.#connection;
    const key = cellsKey(topic, group);
    const what = `the cells of group '${group}' of topic '${topic.name}'`;
    return {
      async get(keys, signal) {
        if (keys.length === 0) return [];
        const found = connection.with('commands', `read ${what}`, (client) =>
          client.hmget(key, ...keys),
        );
        return (await abortable(found, signal)).flatMap((text, at) =>
          text === null ? [] : [cellOf(keys[at] as string, text)],
        );
      },
      async list(signal) {
        const found = connection.with('commands', `read ${what}`, (client) => client.hgetall(key));
        return cellsOf(await abortable(found, signal));
      },
      async put(writes, news, signal) {
        const { meta, names } = groupsKeys(topic);
        const written = connection.run(
          'commands',
          putScript,
          [key, meta, names],
          [
            topic.incarnation,
            group,
            news ? cellsChannel(topic, group) : '',
            ...argumentsOf(writes),
          ],
          `write ${what}`,
        );
        const results = (await abortable(written, signal)) as 'gone' | readonly string[];
        if (results === 'gone') throw topicGone('data', topic.name);
        return resultsOf(results);
      },
      watch: (changed) => connection.listen(cellsChannel(topic, group), () => changed()),
    };
  }
}

function cellsOf(hash: Readonly<Record<string, string>>): readonly Cell[] {
  return Object.entries(hash).map(([key, text]) => cellOf(key, text));
}
