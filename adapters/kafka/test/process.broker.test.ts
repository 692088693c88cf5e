import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import type { LogDriver } from '@duobus/core/driver';
import {
  Consumer,
  eventually,
  makeTopic,
  numbered,
  openDriver,
  records,
  soon,
} from './support/driver.ts';

interface Line {
  readonly type: string;
  readonly partition: number;
  readonly offsets?: readonly number[];
}

async function start(
  ...args: string[]
): Promise<{ readonly child: ChildProcess; readonly lines: Line[] }> {
  const script = fileURLToPath(new URL('./support/child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=duobus:source', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, DUOBUS_TEST_KAFKA_URL: testUrl('kafka') },
  });
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) =>
    lines.push(JSON.parse(line) as Line),
  );
  return { child, lines };
}

/** Freezes a consumer while records are on their way to it, lets another take over, and looks at what the first does. */
async function freezeAndReplace(driver: LogDriver): Promise<void> {
  const topic = await makeTopic(driver, { partitions: 2 });
  const { child, lines } = await start('consume', JSON.stringify(topic));
  const seen = (type: string): Line[] => lines.filter((line) => line.type === type);
  try {
    await eventually(
      async () => seen('assigned').length,
      (count) => count === 2,
    );
    child.kill('SIGSTOP');
    for (const partition of [0, 1]) {
      await driver.append(topic, partition, records(numbered(0, 5)), soon());
    }
    const heir = await Consumer.join(driver, topic, 'g');
    await heir.untilOwning(2);
    for (const partition of [0, 1]) assert.equal(await heir.commit(partition, 5), 'ok');
    lines.length = 0;
    child.kill('SIGCONT');
    await eventually(
      async () => seen('assigned').length,
      (count) => count > 0,
    );
    const before = lines.slice(
      0,
      lines.findIndex(({ type }) => type === 'assigned'),
    );
    assert.deepEqual(
      before.filter(({ type }) => type === 'records'),
      [],
    );
    assert.ok(before.some(({ type }) => type === 'revoked'));
    await heir.close();
  } finally {
    child.kill('SIGKILL');
  }
}

describe('a process with the Kafka adapter', () => {
  let driver: LogDriver;

  before(async () => {
    driver = await openDriver();
  });
  after(() => driver.close());

  it('ends by itself once the adapter is closed', async () => {
    const { child, lines } = await start('once');
    const exited = once(child, 'exit');
    await eventually(
      async () => lines,
      (all) => all.some(({ type }) => type === 'closed'),
    );
    const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
    const [code] = await exited;
    clearTimeout(late);
    assert.equal(code, 0);
  });

  it('that was frozen hands out nothing of what it no longer owns', async () => {
    // several at once: what a process that wakes up does first is a matter of luck
    await Promise.all([1, 2, 3, 4].map(() => freezeAndReplace(driver)));
  });

  it('that was frozen is put out by a reset after the grace time', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const { child, lines } = await start('consume', JSON.stringify(topic));
    try {
      await eventually(
        async () => lines,
        (all) => all.filter(({ type }) => type === 'assigned').length === 2,
      );
      child.kill('SIGSTOP');
      const began = Date.now();
      await driver.edit(
        topic,
        'g',
        () => ({ place: { offset: 0, time: 0 }, text: 'reset' }),
        500,
        soon(),
      );
      assert.ok(Date.now() - began < 4_000, 'it has waited for the end of the session');
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('that is killed is replaced after its session', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const { child, lines } = await start('consume', JSON.stringify(topic));
    await eventually(
      async () => lines,
      (all) => all.filter(({ type }) => type === 'assigned').length === 2,
    );
    child.kill('SIGKILL');
    const heir = await Consumer.join(driver, topic, 'g');
    await heir.untilOwning(2);
    await heir.close();
  });
});
