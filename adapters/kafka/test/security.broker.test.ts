import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker, users } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { at, Consumer, makeTopic, openDriver, records, soon, textOf } from './support/driver.ts';

const withLogin = (
  url: string | undefined,
  scheme: string,
  mechanism: string,
  username: string,
  password: string,
): string =>
  `${scheme}://${username}:${encodeURIComponent(password)}@${String(url).replace(/^\w+:\/\//, '')}?sasl=${mechanism.toLowerCase()}`;

describe('a Kafka that asks for TLS and a user', () => {
  let broker: Broker;
  let ca: string;

  before(async () => {
    broker = await startBroker('kafka', { tls: true, sasl: true });
    ca = readFileSync(String(broker.ca), 'utf8');
  });
  after(() => broker.stop());

  const roundTrip = async (url: string, options: object): Promise<void> => {
    const driver = await openDriver(options, url);
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.append(topic, 0, records(['secret']), soon());
    const { records: read } = await driver.read(
      topic,
      0,
      at(0),
      { maxBytes: 1_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(read.map(textOf), ['secret']);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.got.length === 1, 'the record');
    await driver.edit(topic, 'g', () => ({ place: at(0), text: 'again' }), 3_000, soon());
    await consumer.until(() => consumer.got.length === 2, 'the record again');
    await consumer.close();
    await driver.close();
  };

  it('is reached over TLS', async () => {
    await roundTrip(String(broker.endpoints.tls).replace('kafka:', 'kafka+ssl:'), { tls: { ca } });
  });

  for (const { mechanism, username, password } of users) {
    it(`takes ${mechanism} from the URL, without TLS and with it`, async () => {
      await roundTrip(
        withLogin(broker.endpoints.saslPlain, 'kafka', mechanism, username, password),
        {},
      );
      await roundTrip(
        withLogin(broker.endpoints.saslTls, 'kafka+ssl', mechanism, username, password),
        { tls: { ca } },
      );
    });

    it(`says that a wrong password of ${mechanism} is refused, without repeating it`, async () => {
      const wrong = withLogin(
        broker.endpoints.saslPlain,
        'kafka',
        mechanism,
        username,
        'hunter-2-wrong',
      );
      const error = await openDriver({}, wrong).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      assert.ok(BusError.is(error, 'DUOBUS_PERMISSION') && !error.retryable, inspect(error));
      assert.ok(!inspect(error, { depth: 10 }).includes('hunter-2-wrong'));
    });
  }

  it('is not trusted without its authority', async () => {
    const url = String(broker.endpoints.tls).replace('kafka:', 'kafka+ssl:');
    await assert.rejects(
      openDriver({}, url),
      (error) => BusError.is(error, 'DUOBUS_PERMISSION') && error.message.includes('TLS'),
    );
  });
});
