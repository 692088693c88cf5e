import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { isLeftOut, startBroker, testUrl } from '@duobus/brokers';
import { root, snippetNames } from '../pages.ts';

/** Snippets that need a broker of their own, and the variable its URL comes from. */
type Kind = 'rabbitmq' | 'kafka' | 'redis' | 'sns-sqs';
const brokers: Readonly<Record<string, readonly [variable: string, kind: Kind]>> = {
  'adapter-rabbitmq.ts': ['RABBITMQ_URL', 'rabbitmq'],
  'configure-secrets.ts': ['RABBITMQ_URL', 'rabbitmq'],
  'adapter-kafka.ts': ['KAFKA_BROKERS', 'kafka'],
  'adapter-redis-streams.ts': ['REDIS_HOSTS', 'redis'],
  'adapter-sns-sqs.ts': ['AWS_BUS_URL', 'sns-sqs'],
};

/** Snippets that need a PostgreSQL: it is started for them. */
const databases: ReadonlySet<string> = new Set(['outbox-postgres.ts']);

describe('the code of the documentation', () => {
  for (const name of snippetNames().filter((file) => file !== 'until.ts')) {
    const kind = brokers[name]?.[1];
    if (kind !== undefined && isLeftOut(kind)) continue;
    it(`runs: ${name}`, async () => {
      const broker = brokers[name];
      await using database = databases.has(name) ? await startBroker('postgres') : undefined;
      const urls = {
        ...(database === undefined ? {} : { DATABASE_URL: database.url }),
        BUS_URL: 'memory://docs',
        ...(broker === undefined
          ? {}
          : { [broker[0]]: testUrl(broker[1]).replace(/^(kafka|redis):\/\//, '') }),
      };
      const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
      const child = spawn(
        process.execPath,
        ['--conditions=duobus:source', join(root, 'docs/snippets', name)],
        { env: { ...environment, ...urls }, timeout: 60_000 },
      );
      const [output, errors, [code, signal]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'exit'),
      ]);
      assert.deepEqual([code, signal], [0, null], output + errors);
    });
  }
});
