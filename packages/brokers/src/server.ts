import type { Endpoints } from './options.ts';
import type { ProcessId } from './processes.ts';

export type Recipe = 'environment' | 'docker' | 'path' | 'fetched';

/** How one kind of broker is run in a folder of its own. Knows nothing of records and locks. */
export interface Server {
  readonly endpoints: Endpoints;
  /** The file a client has to trust, when there are TLS listeners. */
  readonly ca: string | undefined;
  /** Fresh folder: configuration, certificates, format. */
  prepare(): Promise<void>;
  /** Starts on the folder's data, old or new; the first process is the broker itself. */
  launch(): Promise<readonly ProcessId[]>;
  /** One protocol handshake; resolves to the broker's version, rejects while it is not ready. */
  handshake(): Promise<string>;
  ctl(args: readonly string[]): Promise<string>;
}
