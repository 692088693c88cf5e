import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a server, and can be told to lose what passes. */
export class Proxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  /** Replies are dropped: the server does what it is told, and nobody hears of it. */
  #mute = false;
  #muted: () => void = () => undefined;
  /** Connections made so far. */
  accepted = 0;

  static async to(host: string, port: number): Promise<Proxy> {
    const proxy = new Proxy(host, port);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      this.accepted += 1;
      const upstream = connect({ host, port });
      const pair = { client, upstream };
      this.#pairs.add(pair);
      client.on('data', (bytes) => upstream.write(bytes));
      upstream.on('data', (bytes) => {
        if (this.#mute) this.#muted();
        else client.write(bytes);
      });
      for (const socket of [client, upstream]) {
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#pairs.delete(pair);
          client.destroy();
          upstream.destroy();
        });
      }
    });
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** From now on replies are lost. Resolves when one was. */
  mute(): Promise<void> {
    this.#mute = true;
    return new Promise((resolve) => (this.#muted = resolve));
  }

  /** Ends every connection; new ones work. */
  cut(): void {
    this.#mute = false;
    for (const { client } of this.#pairs) client.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
