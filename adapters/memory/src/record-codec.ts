import { type Binding, binaryBinding } from '@duobus/core/driver';

/** CloudEvents in binary mode, as a broker with headers carries them. */
export const binding: Binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });
