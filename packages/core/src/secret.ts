/** A secret, or a function that is asked for it before every attempt to connect, so that a connection that is made anew
 *  takes what is valid then. It may return a promise. */
export type Secret<T = string> = T | (() => T | PromiseLike<T>);

/** How the broker is checked, and a certificate of one's own shown. */
export interface TlsOptions {
  /** PEM of the authorities to trust. Default: those of Node. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** A file with the PEM of the authorities, for configurations that are plain data. Default: none. */
  readonly caFile?: string;
  /** PEM of the client's certificate, where the broker asks for one; or a function that returns it. Default: none. */
  readonly cert?: Secret<string | Uint8Array>;
  /** PEM of the key of `cert`, or a function that returns it. Default: none. */
  readonly key?: Secret<string | Uint8Array>;
  /** Certificate and key in one, as PKCS #12, instead of `cert` and `key`; or a function that returns it. Default: none. */
  readonly pfx?: Secret<string | Uint8Array>;
  /** What `key` or `pfx` is encrypted with, or a function that returns it. Default: nothing. */
  readonly passphrase?: Secret;
  /** The name the broker's certificate must carry. Default: the host. */
  readonly servername?: string;
  /** False accepts any certificate: only for tests. Default true. */
  readonly rejectUnauthorized?: boolean;
}
