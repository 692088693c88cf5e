import { connect } from 'node:net';

/** Version 3.0 of the protocol, and who wants to talk to which database. */
export function startupMessage(user: string, database: string): Buffer {
  const pairs = ['user', user, 'database', database, 'application_name', 'duobus-ready'];
  const body = Buffer.from(`${pairs.join('\0')}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + body.length, 0);
  head.writeInt32BE(0x0003_0000, 4);
  return Buffer.concat([head, body]);
}

const message = (type: string, text: string): Buffer => {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
};

interface Message {
  readonly type: string;
  readonly body: Buffer;
  readonly end: number;
}

/** The message that begins at that byte; undefined: the rest of it has yet to come. */
function readMessage(bytes: Buffer, start: number): Message | undefined {
  if (bytes.length < start + 5) return undefined;
  const end = start + 1 + bytes.readInt32BE(start + 1);
  if (bytes.length < end) return undefined;
  return {
    type: bytes.toString('latin1', start, start + 1),
    body: bytes.subarray(start + 5, end),
    end,
  };
}

/** `Mconnection refused\0...`: fields by their letter. */
const errorText = (body: Buffer): string =>
  body
    .toString()
    .split('\0')
    .find((field) => field.startsWith('M'))
    ?.slice(1) ?? 'an error without a message';

const cleartext = 3;
const timeoutMs = 5_000;

/** Logs in and leaves again; resolves to the server's version, if it tells without asking for more than a password. */
export function postgresHandshake(url: string): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const user = decodeURIComponent(username);
  const database = decodeURIComponent(pathname.slice(1)) || user;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port || 5432) });
    let received = Buffer.alloc(0);
    let read = 0;
    let version = 'unknown';
    const settle = (error?: Error): void => {
      socket.end(message('X', '').subarray(0, 5)); // Terminate has no body
      socket.destroySoon();
      if (error === undefined) resolve(version);
      else reject(error);
    };
    const take = ({ type, body }: Message): boolean => {
      if (type === 'E') throw new Error(errorText(body));
      if (type === 'R' && body.readInt32BE(0) === cleartext)
        socket.write(message('p', decodeURIComponent(password)));
      else if (type === 'R' && body.readInt32BE(0) !== 0) return true; // it wants more than this knows, so it is up
      if (type === 'S') {
        const [name, value = ''] = body.toString().split('\0');
        if (name === 'server_version') version = value.split(' ')[0] ?? value;
      }
      return type === 'Z';
    };
    socket.setTimeout(timeoutMs, () => settle(new Error(`no answer within ${timeoutMs} ms`)));
    socket.on('error', settle);
    socket.on('close', () => settle(new Error('the connection was closed')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      try {
        for (let next = readMessage(received, read); next !== undefined; ) {
          read = next.end;
          if (take(next)) return settle();
          next = readMessage(received, read);
        }
      } catch (error) {
        settle(error as Error);
      }
    });
    socket.write(startupMessage(user, database));
  });
}
