// For those who still say require.
const { pathToFileURL } = require('node:url');
const overBoth = require('./over-both.cjs');

const core = pathToFileURL(require.resolve('@duobus/core')).href;
overBoth(require('@duobus/core'), require, core).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
