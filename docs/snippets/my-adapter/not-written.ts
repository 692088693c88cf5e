// #region error
import { BusError } from '@duobus/core/driver';

/** What every verb throws until it is written. */
export function notWritten(verb: string): BusError {
  return new BusError('DUOBUS_NOT_SUPPORTED', `my-adapter: ${verb} is not written yet`);
}
// #endregion error
