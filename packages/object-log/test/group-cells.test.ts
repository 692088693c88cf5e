import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, type CellWrite } from '@duobus/core/driver';
import { GroupCells } from '../src/group-cells.ts';
import { eventually } from './support/eventually.ts';
import { never, topicOf } from './support/memory-log.ts';
import { MemoryBells, MemoryObjects } from './support/memory-objects.ts';
import { calm, MemoryStore } from './support/memory-store.ts';

const pointer = '{"v":1,"t":1,"p":[5,0,"x"]}';
const without = '{"v":1,"t":1}';

function setUp() {
  const objects = new MemoryObjects();
  const bells = new MemoryBells();
  const topic = topicOf();
  const process = () => {
    const store = new MemoryStore(objects);
    const groups = new GroupCells({
      store,
      root: 'r/',
      doorbell: bells.doorbell,
      channelOf: ({ name }) => name,
    });
    return { store, groups, cells: groups.of(topic, 'work') };
  };
  return { objects, topic, process };
}

const write = (key: string, value?: string, ifVersion?: string): CellWrite => ({
  key,
  value,
  ifVersion,
});

describe('cells of a group', () => {
  it('are written if they are as the writer thinks, each on its own', async () => {
    const { process } = setUp();
    const { cells } = process();
    const [made] = await cells.put([write('a', '1')], false, never);
    assert.equal(made?.status, 'written');
    const version = made?.status === 'written' ? made.version : undefined;
    const results = await cells.put(
      [write('a', '2', version), write('b', '1', 'other'), write('c', '1'), write('a/b', '3')],
      false,
      never,
    );
    assert.deepEqual(
      results.map(({ status }) => status),
      ['written', 'conflict', 'written', 'written'],
    );
    const [again] = await cells.put([write('a', '3', version)], false, never);
    assert.equal(again?.status, 'conflict');
    const found = await cells.list(never);
    assert.deepEqual(
      new Map(found.map(({ key, value }) => [key, value])),
      new Map([
        ['a', '2'],
        ['a/b', '3'],
        ['c', '1'],
      ]),
    );
    assert.deepEqual(
      await cells.get(['a', 'none'], never),
      found.filter(({ key }) => key === 'a'),
    );
  });

  it('never have a version twice, not even with the same value or after a removal', async () => {
    const { process, topic } = setUp();
    const { cells, groups } = process();
    const versions = new Set<string | undefined>();
    let version: string | undefined;
    for (let n = 0; n < 10; n += 1) {
      const [made] = await cells.put([write('a', 'same', version)], false, never);
      version = made?.status === 'written' ? made.version : undefined;
      versions.add(version);
      if (n % 3 === 2) {
        await groups.remove(topic, 'work', never);
        const [late] = await cells.put([write('a', 'late', version)], false, never);
        assert.equal(late?.status, 'conflict', 'a member of a removed group writes nothing');
        version = undefined;
      }
    }
    assert.equal(versions.size, 10);
  });

  it('are deleted under the same condition', async () => {
    const { process } = setUp();
    const { cells } = process();
    const [made] = await cells.put([write('a', '1')], false, never);
    const version = made?.status === 'written' ? made.version : undefined;
    const [other] = await cells.put([write('a', undefined, 'other')], false, never);
    const [done] = await cells.put([write('a', undefined, version)], false, never);
    assert.deepEqual(
      [other, done],
      [{ status: 'conflict' }, { status: 'written', version: undefined }],
    );
    assert.deepEqual(await cells.list(never), []);
  });

  it('reject where the reply to a write was lost', async () => {
    const { process } = setUp();
    const { cells, store } = process();
    store.weather = { ...calm, silent: 1 };
    await assert.rejects(cells.put([write('a', '1')], false, never), (error) =>
      BusError.is(error, 'DUOBUS_UNAVAILABLE'),
    );
    store.weather = calm;
    assert.equal((await cells.list(never))[0]?.value, '1');
  });

  it('are fetched only when they have changed', async () => {
    const { process } = setUp();
    const one = process();
    const other = process();
    await one.cells.put([write('a', '1'), write('b', '1')], false, never);
    await other.cells.list(never);
    one.store.reset();
    other.store.reset();
    await one.cells.list(never);
    await other.cells.list(never);
    assert.deepEqual([one.store.requests.get, other.store.requests.get], [0, 0]);
    const [b] = await other.cells.get(['b'], never);
    await other.cells.put([write('b', '2', b?.version)], false, never);
    one.store.reset();
    assert.equal((await one.cells.list(never)).find(({ key }) => key === 'b')?.value, '2');
    assert.deepEqual([one.store.requests.get, one.store.requests.list], [1, 1]);
  });

  it('tell who watches of news', async () => {
    const { process } = setUp();
    const { cells } = process();
    let changes = 0;
    const end = process().cells.watch(() => (changes += 1));
    await eventually(() => changes === 1);
    await cells.put([write('a', '1')], true, never);
    await eventually(() => changes === 2);
    end();
  });

  it('are a group where one of them has a pointer', async () => {
    const { process, topic } = setUp();
    const { groups } = process();
    await groups.of(topic, 'without').put([write('partition/0', without)], false, never);
    await groups.of(topic, 'member').put([write('member/x', '{"v":1,"b":1}')], false, never);
    await groups
      .of(topic, 'work')
      .put([write('partition/0', without), write('partition/1', pointer)], false, never);
    assert.deepEqual(await process().groups.names(topic, never), ['work']);
    await groups.remove(topic, 'work', never);
    assert.deepEqual(await process().groups.names(topic, never), []);
  });

  it('that change while their group is removed stay, and the remover is told', async () => {
    const { process, topic, objects } = setUp();
    const { groups, cells } = process();
    const late = process();
    await cells.put([write('a', '1'), write('b', '1')], false, never);
    const [b] = await late.cells.get(['b'], never);
    let changed: Promise<unknown> | undefined;
    objects.onWrite = (key, body) => {
      if (body !== undefined || changed !== undefined) return;
      objects.onWrite = () => undefined;
      const [other] = objects.keys.filter((one) => one !== key);
      objects.put(other as string, Buffer.from('{"v":1,"value":"theirs"}'));
      changed = Promise.resolve();
    };
    await assert.rejects(groups.remove(topic, 'work', never), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    assert.equal((await cells.list(never)).length, 1);
    assert.ok(b !== undefined && changed !== undefined);
  });
});
