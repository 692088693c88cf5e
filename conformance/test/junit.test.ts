import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DOMParser, type Document, type Element } from '@xmldom/xmldom';
import { junit } from '../src/index.ts';
import { report, result } from './support/reports.ts';

/** Refuses what is not well-formed. */
function parsed(xml: string): Document {
  const onError = (level: string, message: string): never => assert.fail(`${level}: ${message}`);
  return new DOMParser({ onError }).parseFromString(xml, 'text/xml');
}

const all = (document: Document, name: string): readonly Element[] =>
  Array.from(document.getElementsByTagName(name));

const attribute = (element: Element | undefined, name: string): string =>
  element?.getAttribute(name) ?? '';

describe('junit', () => {
  it('is a test case for each case, with counts, times and what the run was', () => {
    const document = parsed(
      junit(
        report(
          [
            result('fan-out', ['E1', 'E9'], 'pass'),
            result('offset-reset', ['D5'], 'unsupported'),
            result('read', ['D13'], 'fail', { error: 'it went wrong' }),
          ],
          { versions: { node: '24.21.0' } },
        ),
      ),
    );
    const [suite] = all(document, 'testsuite');
    assert.deepEqual(
      ['name', 'tests', 'failures', 'errors', 'skipped', 'time'].map((name) =>
        attribute(suite, name),
      ),
      ['nats', '3', '1', '0', '1', '3.750'],
    );
    assert.deepEqual(
      all(document, 'testcase').map((one) => [
        attribute(one, 'classname'),
        attribute(one, 'name'),
        attribute(one, 'time'),
        Array.from(one.childNodes).map(({ nodeName }) => nodeName),
      ]),
      [
        ['duobus.nats', 'fan-out [E1 E9]', '1.250', []],
        ['duobus.nats', 'offset-reset [D5]', '1.250', ['skipped']],
        ['duobus.nats', 'read [D13]', '1.250', ['failure']],
      ],
    );
    assert.deepEqual(
      all(document, 'property').map((one) => [attribute(one, 'name'), attribute(one, 'value')]),
      [
        ['seed', '7'],
        ['node', '24.21.0'],
      ],
    );
    assert.equal(all(document, 'failure')[0]?.textContent, 'it went wrong');
  });

  it('holds whatever is said of a failure, and in words what XML cannot hold', () => {
    const seen = `expected &lt; <a & "b"> ]]> 'c'\n\tin two lines`;
    const error = `${seen}\r\n\u0000\u001b \ud800 ünïcödé 🎉`;
    const failure = { promised: '', seen, history: [], recorded: 0, causes: '' };
    const xml = junit(report([result('read', ['D13'], 'fail', { error, failure })]));
    const [element] = all(parsed(xml), 'failure');
    assert.equal(attribute(element, 'message'), seen);
    assert.equal(element?.textContent, `${seen}\r\n\\u0000\\u001b \\ud800 ünïcödé 🎉`);
  });
});
