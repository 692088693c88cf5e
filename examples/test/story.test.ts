import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { isLeftOut, testUrl } from '@duobus/brokers';

const main = fileURLToPath(new URL('../story/main.ts', import.meta.url));

interface Told {
  readonly code: number | null;
  readonly output: string;
}

async function tell(urls: Readonly<Record<string, string>>): Promise<Told> {
  const { EVENTS_URL: _events, DATA_URL: _data, ...rest } = process.env;
  const child = spawn(process.execPath, ['--conditions=duobus:source', main], {
    env: { ...rest, ...urls },
    timeout: 120_000,
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number | null, output: output + errors };
}

const claims: readonly [sentence: string, line: RegExp][] = [
  [
    'gives every service every order once',
    /ok {2}billing wrote 200 invoices, shipping packed 200 parcels, mail sent 200 mails/,
  ],
  ['empties the queues by reading', /ok {2}reading removes: the three queues hold 0 orders now/],
  [
    'shows a late subscriber new orders alone',
    /ok {2}loyalty saw all 50 new orders and 0 of the 200 old ones/,
  ],
  ['loses nothing when a service dies', /ok {2}0 of 400 orders lost/],
  [
    'gives a late group the whole history',
    /ok {2}analytics has all 400 orders sold before it existed/,
  ],
  [
    'waits for a receipt',
    /ok {2}waitFor\(receipt\) resolved only when the read model had the order/,
  ],
  [
    'heals the read model by a replay',
    /ok {2}healed: revenue by analytics is €[\d,.]+, as in the shop's books/,
  ],
  ['sends no mail twice', /ok {2}the replay sent 0 mails again: still 401/],
  ['adds nothing twice in a second replay', /ok {2}revenue is still exact/],
  [
    'keeps a poison order aside',
    /after 3 attempts it is the only dead letter of billing: "no VAT rate for AT"/,
  ],
  [
    'redrives it after the fix',
    /ok {2}the order from Austria is invoiced, and billing has 0 dead letters/,
  ],
  ['counts once more over everything', /ok {2}lost 0 of \d+ hand-overs/],
  ['ends with its summary', /The story holds: (\d+) of \1 checks in [\d.]+ s\.\n$/],
];

function story(urls: () => Promise<Readonly<Record<string, string>>>): void {
  let told: Told = { code: null, output: '' };
  before(async () => {
    told = await tell(await urls());
  });
  it('exits with 0', () => assert.equal(told.code, 0, told.output));
  for (const [sentence, line] of claims) it(sentence, () => assert.match(told.output, line));
}

describe('the shop on the embedded bus', () => {
  story(async () => ({}));
});

if (!isLeftOut('rabbitmq') && !isLeftOut('kafka'))
  describe('the shop on RabbitMQ and Kafka', () => {
    story(async () => ({ EVENTS_URL: testUrl('rabbitmq'), DATA_URL: testUrl('kafka') }));
  });
