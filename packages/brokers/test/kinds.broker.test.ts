import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Broker, parseSpec, startBroker } from '../src/index.ts';
import { writesAndReads } from './support/writes-and-reads.ts';

/** Redis is started by every run; for more, such as `postgres kafka-cluster`, the environment asks. */
const names = ['redis', ...(process.env['DUOBUS_TEST_BROKERS'] ?? '').split(/[\s,]+/)].filter(
  Boolean,
);

describe('what was written before a SIGKILL', () => {
  for (const name of new Set(names)) {
    const { product, kind } = parseSpec(name);
    const { write, read, config = {} } = writesAndReads[kind];
    const goesOn = product.endsWith('-cluster') && kind !== 'redis';

    it(`is there after ${name} was started again`, async () => {
      await using broker = await startBroker(name, { config });
      await write(broker, 'before');
      await broker.kill9();
      await broker.start();
      assert.equal(await read(broker), 'before');
      await broker.restart();
      assert.equal(await read(broker), 'before');
    });

    if (goesOn) {
      it(`is there while a node of ${name} is down, and more can be written`, async () => {
        await using broker = await startBroker(name, { config });
        await write(broker, 'before');
        for (const node of broker.nodes.slice(1)) {
          await node.kill9();
          await write(broker, `without ${node.name}`);
          assert.equal(await read(broker), `without ${node.name}`);
          await node.start();
        }
        await whole(broker);
      });
    }
  }
});

const whole = (broker: Broker): Promise<void> => broker.start();
