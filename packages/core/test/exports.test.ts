import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as core from '@duobus/core';
import * as driver from '@duobus/core/driver';
import * as envelopes from '@duobus/core/envelopes';
import * as testing from '@duobus/core/testing';

describe('exports', () => {
  it('of @duobus/core are these', () => {
    assert.deepEqual(Object.keys(core).toSorted(), [
      'BusError',
      'batch',
      'bytes',
      'comparePositions',
      'connect',
      'errorCodes',
      'idempotent',
      'json',
      'memoryStore',
      'registerAdapter',
      'reject',
      'retryAfter',
      'topic',
    ]);
  });

  it('of @duobus/core/driver are these', () => {
    assert.deepEqual(Object.keys(driver).toSorted(), [
      'Bell',
      'BusError',
      'Claimant',
      'ClaimedPartitions',
      'Deque',
      'Inbox',
      'MemberInbox',
      'OptionReader',
      'Readings',
      'Registry',
      'Secrets',
      'Turns',
      'abortable',
      'anyOf',
      'assign',
      'binaryBinding',
      'farewell',
      'formatAddress',
      'groupsOver',
      'hasPointers',
      'inParallel',
      'lostConsumer',
      'memberKey',
      'parseAddress',
      'sameTopic',
      'structuredBinding',
      'systemClock',
      'urlLogin',
      'urlParameters',
      'urlPart',
    ]);
  });

  it('of @duobus/core/envelopes are these', () => {
    assert.deepEqual(Object.keys(envelopes).toSorted(), [
      'Bell',
      'checkFlag',
      'checkInteger',
      'checkOneOf',
      'checkOptions',
      'checkSignal',
      'checkSource',
      'delayOf',
      'isDocumentToPublish',
      'makeEnvelope',
      'publishEnvelope',
      'publishOptionNames',
    ]);
  });

  it('of @duobus/core/testing are these', () => {
    assert.deepEqual(Object.keys(testing).toSorted(), ['manualClock', 'testBus']);
  });
});
