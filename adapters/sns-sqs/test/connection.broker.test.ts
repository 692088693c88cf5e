import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import {
  DeleteBucketCommand,
  HeadBucketCommand,
  PutBucketLifecycleConfigurationCommand,
} from '@aws-sdk/client-s3';
import { ListTopicsCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, DeleteQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { BusError, type ErrorCode } from '@duobus/core/driver';
import { Connection } from '../src/connection.ts';
import { settingsOf } from '../src/options.ts';
import { Proxy } from './support/proxy.ts';
import { endpoint, newConnection, soon } from './support/queue-connection.ts';
import { eventually } from './support/queues.ts';

const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

const rejectsWith = (call: Promise<unknown>, code: ErrorCode, says = /^/): Promise<void> =>
  assert.rejects(
    call,
    (error) =>
      BusError.is(error, code) && says.test(error.message) && !/test:test/.test(error.message),
  );

/** Takes requests, and never answers. */
async function silent(): Promise<
  { readonly server: Server; readonly url: string } & AsyncDisposable
> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a connection to AWS', () => {
  it('makes the bucket of an emulator if there is none, whoever else does', async () => {
    const bucket = `test-${randomUUID()}`;
    const connections = [newConnection({ bucket }), newConnection({ bucket })];
    await Promise.all(connections.map((connection) => connection.open(soon())));
    const [first, second] = connections as [Connection, Connection];
    await first.native.s3.send(new HeadBucketCommand({ Bucket: bucket }));
    await second.open(soon());
    await first.native.s3.send(new DeleteBucketCommand({ Bucket: bucket }));
    for (const connection of connections) await connection.close();
  });

  it('takes it for made that somebody else has made it meanwhile', async () => {
    await using proxy = await Proxy.to(endpoint());
    proxy.fault = ({ action }) =>
      action === 'HEAD' ? { answer: 404 } : { answer: 409, code: 'BucketAlreadyOwnedByYou' };
    const connection = newConnection({ endpoint: proxy.url });
    await connection.open(soon());
    assert.deepEqual(
      proxy.seen.map(({ action }) => action),
      ['HEAD', 'PUT', 'GET'],
    );
    await connection.close();
  });

  it('refuses a bucket that removes by itself what duobus keeps', async () => {
    const bucket = `expiring-${crypto.randomUUID()}`;
    const connection = newConnection({ bucket });
    await connection.open(soon());
    const rule = async (Prefix: string): Promise<void> =>
      void (await connection.native.s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket: bucket,
          LifecycleConfiguration: {
            Rules: [
              { ID: 'tidy', Status: 'Enabled', Filter: { Prefix }, Expiration: { Days: 30 } },
            ],
          },
        }),
      ));
    await rule('somebody-else/');
    await connection.open(soon());
    for (const prefix of ['', 'duobus/data/']) {
      await rule(prefix);
      await rejectsWith(connection.open(soon()), 'DUOBUS_NOT_SUPPORTED', /rule 'tidy' of bucket/);
    }
    await connection.close();
  });

  it('does not make one in AWS, and says what to do', async () => {
    await using proxy = await Proxy.to(endpoint());
    proxy.fault = () => ({ answer: 404, code: 'NotFound' });
    // AWS, as far as this connection knows
    process.env['AWS_ENDPOINT_URL_S3'] = proxy.url;
    const connection = new Connection(
      settingsOf({ bucket: 'my-bucket', region: 'eu-central-1', credentials }),
    );
    await rejectsWith(
      connection.open(soon()),
      'DUOBUS_NOT_FOUND',
      /no bucket my-bucket in AWS in eu-central-1: make it, or give the name of another/,
    );
    assert.deepEqual(
      proxy.seen.map(({ action }) => action),
      ['HEAD'],
    );
    delete process.env['AWS_ENDPOINT_URL_S3'];
    await connection.close();
  });

  it('says who does not answer, or refuses', async () => {
    await using nobody = await silent();
    const { url } = nobody;
    await nobody[Symbol.asyncDispose]();
    const wrong = newConnection({ endpoint: url });
    await rejectsWith(
      wrong.open(soon()),
      'DUOBUS_UNAVAILABLE',
      new RegExp(`of ${url}.*ECONNREFUSED`),
    );
    await wrong.close();
    await using proxy = await Proxy.to(endpoint());
    proxy.fault = () => ({ answer: 403, code: 'AccessDenied' });
    const refused = newConnection({ endpoint: proxy.url });
    await rejectsWith(refused.open(soon()), 'DUOBUS_PERMISSION', /check the credentials/);
    await refused.close();
  });

  it('waits for an answer only so long, and for documents so much longer', async () => {
    await using server = await silent();
    const connection = newConnection({
      endpoint: server.url,
      requestTimeoutMs: 500,
      pollMs: 1_000,
    });
    const timed = async (call: Promise<unknown>): Promise<number> => {
      const at = performance.now();
      await rejectsWith(call, 'DUOBUS_UNAVAILABLE');
      return performance.now() - at;
    };
    const waits = await Promise.all([
      timed(connection.open(soon())),
      timed(connection.store.get('key', soon())),
      timed(connection.sns(new ListTopicsCommand({}), soon(), 'list topics')),
      timed(
        connection.poll(new ReceiveMessageCommand({ QueueUrl: `${server.url}/q` }), soon(), 'poll'),
      ),
    ]);
    for (const [at, wait] of waits.entries()) {
      const least = at === 3 ? 1_400 : 450;
      assert.ok(wait >= least && wait < least + 2_500, `${at}: ${wait} ms`);
    }
    await connection.close();
  });

  it('does not wait for the rest of an answer that has stalled', async () => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-length': '1000', etag: '"x"' }).write('{"Mess');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connection = newConnection({
      endpoint: `http://127.0.0.1:${port}`,
      requestTimeoutMs: 500,
      pollMs: 1_000,
    });
    await rejectsWith(connection.store.get('key', soon()), 'DUOBUS_UNAVAILABLE', /./);
    const receiving = new ReceiveMessageCommand({ QueueUrl: `http://127.0.0.1:${port}/0/queue` });
    await rejectsWith(connection.poll(receiving, soon(), 'receive'), 'DUOBUS_UNAVAILABLE', /./);
    await connection.close();
    server.closeAllConnections();
    server.close();
  });

  it('lets go of who gives up', async () => {
    await using server = await silent();
    const connection = newConnection({ endpoint: server.url });
    const reason = new Error('enough');
    const stop = new AbortController();
    const calls = [
      connection.open(stop.signal),
      connection.store.get('key', stop.signal),
      connection.sns(new ListTopicsCommand({}), stop.signal, 'list topics'),
    ];
    stop.abort(reason);
    for (const call of calls) await assert.rejects(call, (error) => error === reason);
    await connection.close();
  });

  it('ends what runs when it is closed, and refuses what comes after', async () => {
    await using proxy = await Proxy.to(endpoint());
    const connection = newConnection({ endpoint: proxy.url });
    const other = newConnection();
    await other.open(soon());
    await connection.open(soon());
    const { QueueUrl } = await other.sqs(
      new CreateQueueCommand({ QueueName: `test-${randomUUID()}` }),
      soon(),
      'make a queue',
    );
    let answered = 0;
    proxy.answered = ({ action }) => (answered += action === 'ReceiveMessage' ? 1 : 0);
    const poll = connection.poll(
      new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 3 }),
      connection.ended,
      'poll',
    );
    await eventually(
      async () => proxy.count('ReceiveMessage'),
      (count) => count === 1,
    );
    await Promise.all([rejectsWith(poll, 'DUOBUS_CLOSED'), connection.close()]);
    assert.equal(answered, 0, 'it did not wait for the answer');
    assert.ok(connection.ended.aborted);
    await connection.close();
    const before = proxy.seen.length;
    await rejectsWith(connection.open(soon()), 'DUOBUS_CLOSED');
    await rejectsWith(connection.store.get('key', soon()), 'DUOBUS_CLOSED');
    await rejectsWith(
      connection.store.put('key', Buffer.alloc(1), undefined, soon()),
      'DUOBUS_CLOSED',
    );
    await assert.rejects(
      async () => connection.sqs(new DeleteQueueCommand({ QueueUrl }), soon(), 'x'),
      {
        code: 'DUOBUS_CLOSED',
      },
    );
    assert.equal(proxy.seen.length, before);
    await other.sqs(new DeleteQueueCommand({ QueueUrl }), soon(), 'remove it');
    await other.close();
  });

  it('asks once: who calls it knows what may be sent twice', async () => {
    await using proxy = await Proxy.to(endpoint());
    const connection = newConnection({ endpoint: proxy.url });
    proxy.fault = () => ({ answer: 503, code: 'ServiceUnavailable' });
    await rejectsWith(connection.open(soon()), 'DUOBUS_UNAVAILABLE');
    await rejectsWith(connection.sns(new ListTopicsCommand({}), soon(), 'x'), 'DUOBUS_UNAVAILABLE');
    await rejectsWith(connection.store.get('key', soon()), 'DUOBUS_UNAVAILABLE');
    assert.equal(proxy.seen.length, 3);
    await connection.close();
  });
});
