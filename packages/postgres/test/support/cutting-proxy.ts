import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands in front of a server, and cuts a connection at its COMMIT when it is told to. */
export class CuttingProxy implements AsyncDisposable {
  readonly #server = createServer((client) => this.#join(client));
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  /** Where the next COMMIT is lost: on the way there, or what the server says to it. */
  cuts: 'request' | 'answer' | undefined;

  private constructor(url: string) {
    this.#target = new URL(url);
  }

  static async open(url: string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(url);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  #join(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    let deaf = false;
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined); // its end is dealt with below
    }
    client.on('data', (bytes) => {
      const cuts = bytes.includes('COMMIT') ? this.cuts : undefined;
      if (cuts !== undefined) this.cuts = undefined;
      if (cuts === 'request') {
        client.destroy();
        return;
      }
      deaf ||= cuts === 'answer';
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (deaf) client.destroy();
      else client.write(bytes);
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
