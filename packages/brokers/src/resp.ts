import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What Redis answers in version 2 of its protocol. */
export type Reply = string | number | null | RespError | readonly Reply[];

export class RespError extends Error {
  override readonly name = 'RespError';
}

/** The reply that begins at that byte and where it ends; undefined: the rest of it has yet to come. */
export function readReply(
  bytes: Buffer,
  start: number,
): { readonly reply: Reply; readonly end: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: new RespError(line), end };
    case ':':
      return { reply: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { reply: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*':
      return readArray(bytes, end, Number(line));
    default:
      throw new Error(`not a reply of Redis: ${line}`);
  }
}

function readArray(bytes: Buffer, start: number, count: number): ReturnType<typeof readReply> {
  if (count < 0) return { reply: null, end: start };
  const reply: Reply[] = [];
  let end = start;
  while (reply.length < count) {
    const next = readReply(bytes, end);
    if (next === undefined) return undefined;
    reply.push(next.reply);
    end = next.end;
  }
  return { reply, end };
}

const encode = (command: readonly string[]): string =>
  `*${command.length}\r\n${command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;

function open({ protocol, hostname, port }: URL): Socket {
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) };
  return protocol === 'rediss:' ? connectTls(to) : connect(to);
}

const timeoutMs = 5_000;

/** Sends commands over a connection of its own and resolves to their replies; the first error reply rejects. */
export function resp(
  url: string,
  ...commands: readonly (readonly string[])[]
): Promise<readonly Reply[]> {
  const target = new URL(url);
  const password = decodeURIComponent(target.password);
  const user = decodeURIComponent(target.username) || 'default';
  const login = password === '' ? [] : [['AUTH', user, password]];
  const sent = [...login, ...commands];
  return new Promise((resolve, reject) => {
    const socket = open(target);
    let received = Buffer.alloc(0);
    let read = 0;
    const replies: Reply[] = [];
    const settle = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve(replies.slice(login.length));
      else reject(error);
    };
    socket.setTimeout(timeoutMs, () => settle(new Error(`no reply within ${timeoutMs} ms`)));
    socket.on('error', settle);
    socket.on('close', () => settle(new Error('the connection was closed')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      try {
        for (;;) {
          const next = readReply(received, read);
          if (next === undefined) return;
          read = next.end;
          if (next.reply instanceof RespError) throw next.reply;
          replies.push(next.reply);
          if (replies.length === sent.length) return settle();
        }
      } catch (error) {
        settle(error as Error);
      }
    });
    socket.write(sent.map(encode).join(''));
  });
}

/** The value of a line `name:value`, as in the answers to INFO and CLUSTER INFO. */
export const field = (text: Reply | undefined, name: string): string | undefined =>
  new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(String(text))?.[1];
