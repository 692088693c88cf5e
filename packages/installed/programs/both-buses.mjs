import * as duobus from '@duobus/core';
import overBoth from './over-both.cjs';

await overBoth(duobus, (entry) => import(entry), import.meta.resolve('@duobus/core'));
