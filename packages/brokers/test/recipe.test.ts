import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { composeFile } from '../src/paths.ts';
import { products } from '../src/products.ts';
import { chooseRecipe, type Machine } from '../src/recipe.ts';
import { parseSpec } from '../src/spec.ts';

const bare: Machine = {
  environmentUrl: undefined,
  docker: false,
  pathVersion: undefined,
  cannotFetch: undefined,
};
const everything: Machine = {
  ...bare,
  environmentUrl: 'amqp://x',
  docker: true,
  pathVersion: '4.0.5',
};

describe('chooseRecipe', () => {
  it('prefers the environment, then docker, then PATH, then fetching', () => {
    const spec = parseSpec('rabbitmq@4.0');
    assert.equal(chooseRecipe(spec, everything), 'environment');
    assert.equal(chooseRecipe(spec, { ...everything, environmentUrl: undefined }), 'docker');
    assert.equal(chooseRecipe(spec, { ...bare, pathVersion: '4.0.5' }), 'path');
    assert.equal(chooseRecipe(spec, bare), 'fetched');
  });

  it('takes a server on PATH only if its version is the one asked for', () => {
    assert.equal(
      chooseRecipe(parseSpec('rabbitmq@4.3'), { ...bare, pathVersion: '4.30.1' }),
      'fetched',
    );
    assert.equal(
      chooseRecipe(parseSpec('rabbitmq@3.10'), { ...bare, pathVersion: '3.10.8' }),
      'path',
    );
  });

  it('names every way out when there is no broker to be had', () => {
    const nothing = { ...bare, cannotFetch: 'this is not Linux' };
    assert.throws(
      () => chooseRecipe(parseSpec('kafka'), nothing),
      /not Linux[^]*DUOBUS_TEST_KAFKA_URL[^]*docker[^]*kafka-server-start/,
    );
  });

  it('offers no docker where there is no service', () => {
    const nothing = { ...bare, cannotFetch: 'that takes root (chroot)' };
    assert.throws(
      () => chooseRecipe(parseSpec('redis-cluster'), nothing),
      (error: Error) => !error.message.includes('docker') && error.message.includes('redis-server'),
    );
  });

  it('has a service for everything docker is offered for', () => {
    const compose = readFileSync(composeFile, 'utf8');
    const names = ['rabbitmq', 'kafka', 'redis@7.0', 'redis', 'valkey@8.1', 'valkey', 'sns-sqs'];
    for (const { name, product } of [...names, 'postgres@15', 'postgres@18'].map(parseSpec)) {
      assert.ok(products[product].dockerUrl !== undefined);
      assert.match(compose, new RegExp(`^  ${name.replace('@', '-')}:`, 'm'));
    }
  });
});
