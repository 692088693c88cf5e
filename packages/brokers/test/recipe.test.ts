import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
});
