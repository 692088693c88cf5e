import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BusError, Outcome, OutboundRecord } from '@duobus/core/driver';
import { endpoint, soon } from './support/queue-connection.ts';
import { Proxy } from './support/proxy.ts';
import {
  consume,
  idOf,
  openDriver,
  publish,
  range,
  record,
  records,
  subscription,
} from './support/queues.ts';

const formOf = (body: string): [string, string][] => [...new URLSearchParams(body)];
const entriesOf = (body: string, field: string): string[] =>
  formOf(body).flatMap(([name, value]) =>
    new RegExp(String.raw`^PublishBatchRequestEntries\.member\.\d+\.${field}$`).test(name)
      ? [value]
      : [],
  );

describe('publishing to SNS', () => {
  it('sends no more at a time than SNS takes', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened);
    const { topic } = made;
    const given = range(60).map((n) =>
      record(`n${n}`, undefined, `"${'é'.repeat((n % 7) * 9_000)}"`),
    );
    await publish(opened, topic, 0, given);
    const requests = proxy.seen.filter(({ action }) => action === 'PublishBatch');
    assert.ok(requests.length >= 12);
    for (const { body } of requests) {
      const values = formOf(body).filter(([name]) => name.includes('Entries.member'));
      const counted = values.filter(([name]) => !/\.(Id|Message[DG].*Id)$/.test(name));
      const bytes = counted.reduce((sum, [, value]) => sum + Buffer.byteLength(value), 0);
      assert.ok(bytes <= 262_144, `${bytes} bytes`);
      assert.ok(entriesOf(body, 'Id').length <= 10);
    }
    const reader = await consume(opened, topic);
    await reader.drain(60);
    await reader.member.close();
  });

  it('says of every document what became of it', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened);
    const { topic } = made;
    const outcomesOf = async (...ids: string[]): Promise<readonly Outcome[]> =>
      opened.driver.publish(topic, 0, records(...ids), soon());
    const brief = (outcomes: readonly Outcome[]): unknown[] =>
      outcomes.map((each) =>
        each.status === 'stored' ? 'stored' : [each.status, each.error.retryable],
      );
    const once = (action: string, fault: ReturnType<Proxy['fault']>): void => {
      proxy.fault = (seen) => {
        if (seen.action !== action) return undefined;
        proxy.fault = () => undefined;
        return fault;
      };
    };
    once('PublishBatch', { fail: [1], code: 'Throttled', senderFault: true });
    assert.deepEqual(brief(await outcomesOf('a', 'b', 'c')), [
      'stored',
      ['rejected', true],
      'stored',
    ]);
    once('PublishBatch', { fail: [0], code: 'InternalFailure', senderFault: false });
    assert.deepEqual(brief(await outcomesOf('d', 'e')), [['unknown', true], 'stored']);
    once('PublishBatch', { fail: [0, 1], code: 'InvalidParameter', senderFault: true });
    assert.deepEqual(brief(await outcomesOf('f', 'g')), [
      ['rejected', false],
      ['rejected', false],
    ]);
    once('PublishBatch', { answer: 503, code: 'ServiceUnavailable' });
    assert.deepEqual(brief(await outcomesOf('h')), [['unknown', true]]);
    once('PublishBatch', { answer: 400, code: 'Throttling' });
    assert.deepEqual(brief(await outcomesOf('i')), [['rejected', true]]);
    once('PublishBatch', 'lose');
    assert.deepEqual(brief(await outcomesOf('j')), [['unknown', true]]);
    const reader = await consume(opened, topic);
    await reader.drain(4);
    assert.deepEqual(reader.ids.toSorted(), ['a', 'c', 'e', 'j']);
    await reader.member.close();
  });

  it('keeps the order of a key whatever fails, over calls that overlap', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    const given = (partition: number, call: number): OutboundRecord[] =>
      range(60, call * 60).map((n) =>
        record(`${partition}.${n % 5}.${n}`, `${partition} ${n % 5}`),
      );
    let requests = 0;
    proxy.fault = ({ action, body }) => {
      if (action !== 'PublishBatch') return undefined;
      const groups = entriesOf(body, 'MessageGroupId');
      assert.equal(new Set(groups).size, groups.length, 'one of a key at a time');
      requests += 1;
      if (requests % 17 === 9) return { fail: [0, 2], code: 'Throttled', senderFault: true };
      if (requests % 23 === 11) return { fail: [1], code: 'InternalFailure', senderFault: false };
      if (requests === 40) return { answer: 503 };
      return undefined;
    };
    const calls = range(2).flatMap((partition) => range(4).map((call) => ({ partition, call })));
    const outcomes = await Promise.all(
      calls.map(({ partition, call }) =>
        opened.driver.publish(topic, partition, given(partition, call), soon(60_000)),
      ),
    );
    const storedOf = new Map<string, string[]>();
    const failedOf = new Map<string, BusError>();
    calls.forEach(({ partition, call }, at) => {
      given(partition, call).forEach(({ key = '', headers }, index) => {
        const outcome = outcomes[at]?.[index];
        assert.ok(outcome);
        if (outcome.status !== 'stored') failedOf.set(key, outcome.error);
        else {
          assert.equal(failedOf.get(key), undefined, 'later ones fail with an earlier one');
          const ids = storedOf.get(key) ?? [];
          storedOf.set(key, [...ids, String(headers['id'])]);
        }
      });
    });
    assert.ok(failedOf.size > 0 && storedOf.size > 0);
    const stored = [...storedOf.values()].flat();
    const reader = await consume(opened, topic, 'main', 1_000);
    await reader.drain(stored.length);
    for (const [key, ids] of storedOf)
      assert.deepEqual(reader.leased.filter((each) => each.key === key).map(idOf), ids);
    await reader.member.close();
  });

  it('tells who gives up at once what is known', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url });
    await using made = await subscription(opened, 'key');
    const { topic } = made;
    const stop = new AbortController();
    const waiting = opened.driver.publish(
      topic,
      0,
      [record('a', 'k'), record('b', 'k'), record('c', 'l')],
      stop.signal,
    );
    proxy.fault = ({ action }) => {
      if (action === 'PublishBatch') stop.abort();
      return undefined;
    };
    const outcomes = await waiting;
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['unknown', 'rejected', 'unknown'],
    );
  });
});
