import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorCodes } from '@duobus/core';
import { readPage } from '../pages.ts';

describe('docs/reference/errors.md', () => {
  it('has a heading for every code, and no other', () => {
    const headings = [...readPage('docs/reference/errors.md').matchAll(/^## (\S+)$/gm)].map(
      ([, code]) => code,
    );
    assert.deepEqual(headings, [...errorCodes]);
  });
});
