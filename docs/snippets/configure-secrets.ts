import assert from 'node:assert/strict';
import { connect } from '@duobus/core';

let asked = 0;
const vault = {
  read: async (_name: string) => {
    asked += 1;
    return 'guest';
  },
  lease: async (_role: string) => ({ username: 'guest', password: await vault.read('bus') }),
};
const url = String(process.env.RABBITMQ_URL);
{
  // #region function
  await using bus = await connect(
    { url, options: { username: 'guest', password: () => vault.read('bus/password') } },
    { source: '/shop/orders' },
  );
  // #endregion function
  assert.ok((await bus.health()).ok);
  assert.ok(asked > 0);
}
{
  // #region pair
  let lease: ReturnType<typeof vault.lease>;
  const login = {
    username: async () => (await (lease = vault.lease('bus'))).username,
    password: async () => (await lease).password,
  };
  await using bus = await connect({ url, options: login }, { source: '/shop/orders' });
  // #endregion pair
  assert.ok((await bus.health()).ok);
}
