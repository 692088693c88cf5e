import type { Secrets, Source, Tls } from '@duobus/core/driver';

export type Mechanism = 'plain' | 'scram-sha-256' | 'scram-sha-512';

/** As kafkajs takes it. It keeps state on the object, so that every connection needs one of its own. */
interface Sasl {
  mechanism: Mechanism;
  username?: string;
  password?: string;
}

export interface Login {
  readonly ssl: Tls | undefined;
  readonly sasl: Sasl | undefined;
}

// a type, since an interface could be given further members and would not do for `Secrets`
export type LoginSources = {
  readonly 'sasl.username': Source<string> | undefined;
  readonly 'sasl.password': Source<string> | undefined;
  readonly tls: Source<Tls> | undefined;
};

/** How a client shows who it is. */
export class Logins {
  readonly #secrets: Secrets<LoginSources>;
  /** What was true when a connection was last made, for clients of the application's own: kafkajs reads it whenever it
   *  connects. */
  readonly latest: Login;

  constructor(secrets: Secrets<LoginSources>, mechanism: Mechanism | undefined, secure: boolean) {
    this.#secrets = secrets;
    this.latest = {
      ssl: secure ? {} : undefined,
      sasl: mechanism === undefined ? undefined : { mechanism },
    };
  }

  /** Makes one attempt to connect. */
  use<T>(connect: (login: Login) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#secrets.use(
      ({ tls, 'sasl.username': username = '', 'sasl.password': password = '' }) => {
        const { ssl, sasl } = this.latest;
        if (ssl !== undefined) Object.assign(ssl, tls);
        if (sasl !== undefined) Object.assign(sasl, { username, password });
        return connect({
          ssl: tls,
          sasl: sasl && { mechanism: sasl.mechanism, username, password },
        });
      },
      signal,
    );
  }
}
