import { connect } from '@duobus/core';
import { startRelay } from '@duobus/outbox';
import { openShop } from './shop.ts';

/** A relay until it is killed, its clock wrong by so many ms. */
const [url = '', busUrl = '', skewMs = '0'] = process.argv.slice(2);
const now = Date.now.bind(Date);
Date.now = () => now() + Number(skewMs);
const shop = openShop(url);
const bus = await connect(busUrl, { source: '/relay' });
const relay = await startRelay(shop.outbox, bus, {
  leaseMs: 1_000,
  pollMs: 200,
  maxDocuments: 200,
});
process.send?.('ready');
process.once('message', () => {
  void (async () => {
    await relay.close();
    await bus.close();
    await shop.close();
    process.disconnect();
  })();
});
