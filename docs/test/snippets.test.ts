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
  'redis-store.ts': ['REDIS_URL', 'redis'],
};

/** Snippets that need a PostgreSQL, each one of its own. */
const databases: ReadonlySet<string> = new Set(['inbox-postgres.ts', 'outbox-postgres.ts']);

/** Variables of addresses without a scheme. */
const bare: ReadonlySet<string> = new Set(['KAFKA_BROKERS', 'REDIS_HOSTS']);

async function run(name: string, urls: Readonly<Record<string, string>>): Promise<void> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(
    process.execPath,
    ['--conditions=duobus:source', join(root, 'docs/snippets', name)],
    { env: { ...environment, BUS_URL: 'memory://docs', ...urls }, timeout: 60_000 },
  );
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  assert.deepEqual([code, signal], [0, null], output + errors);
}

describe('the code of the documentation', () => {
  for (const name of snippetNames().filter((file) => file !== 'until.ts')) {
    const [variable, kind] = brokers[name] ?? [];
    if (kind !== undefined && isLeftOut(kind)) continue;
    it(`runs: ${name}`, async () => {
      if (databases.has(name)) {
        await using broker = await startBroker('postgres');
        await run(name, { DATABASE_URL: broker.url });
        return;
      }
      if (variable === undefined || kind === undefined) return run(name, {});
      const url = testUrl(kind);
      await run(name, { [variable]: bare.has(variable) ? url.replace(/^\w+:\/\//, '') : url });
    });
  }
});
