import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What becomes of one request. */
export type Fault =
  /** The server never hears of it; the client is told this. */
  | { readonly answer: number; readonly code?: string }
  /** The server never hears of it, and the connection breaks. */
  | 'cut'
  /** The server does it, and nobody hears of that. */
  | 'lose'
  /** Entries of a batch, by their place: the server never hears of these, and the client is told that they failed. */
  | { readonly fail: readonly number[]; readonly code: string; readonly senderFault: boolean }
  /** The answer is changed: JSON of SQS alone. */
  | { readonly answerWith: (answer: Record<string, unknown>) => unknown };

export interface Seen {
  readonly service: 'sns' | 'sqs' | 's3';
  /** Such as `ReceiveMessage`, `PublishBatch`, or `PUT` for S3. */
  readonly action: string;
  /** As the SDK calls it, of S3 too: `ListObjectsV2`, `HeadBucket`. */
  readonly call: string;
  /** Of S3: it is to be done only if something holds. */
  readonly conditional: boolean;
  /** The access key that it is signed with. */
  readonly signer: string;
  readonly path: string;
  readonly body: string;
}

/** Stands between a client and the emulator, and does to requests what Amazon may do. */
export class Proxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #upstream: string;
  readonly #ended = new AbortController();
  /** Asked for every request. */
  fault: (seen: Seen) => Fault | undefined = () => undefined;
  /** Told when the server has answered. */
  answered: (seen: Seen) => void = () => undefined;
  readonly seen: Seen[] = [];
  /** By action: what has no answer yet. */
  readonly #open = new Map<string, number>();

  static async to(upstream: string): Promise<Proxy> {
    const proxy = new Proxy(upstream);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  private constructor(upstream: string) {
    this.#upstream = upstream;
    this.#server = createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
    // what breaks is said by the tests
    this.#server.keepAliveTimeout = 0;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How many of these wait for an answer. */
  open(action: string): number {
    return this.#open.get(action) ?? 0;
  }

  count(action: string): number {
    return this.seen.filter((seen) => seen.action === action).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await buffer(request);
    const body = bytes.toString();
    const target = request.headers['x-amz-target'];
    const form = /^Action=|&Action=/.test(body) ? new URLSearchParams(body) : undefined;
    const action =
      typeof target === 'string'
        ? target.slice(target.indexOf('.') + 1)
        : (form?.get('Action') ?? request.method ?? '');
    const { url: path = '', method } = request;
    const seen: Seen = {
      service: target === undefined ? (form === undefined ? 's3' : 'sns') : 'sqs',
      action,
      call: target === undefined && form === undefined ? s3Call(method, path) : action,
      conditional: /^(if-match|if-none-match)$/m.test(Object.keys(request.headers).join('\n')),
      signer: /Credential=([^/]*)/.exec(request.headers.authorization ?? '')?.[1] ?? '',
      path,
      body,
    };
    this.seen.push(seen);
    this.#open.set(action, this.open(action) + 1);
    response.once('close', () => this.#open.set(action, this.open(action) - 1));
    const fault = this.fault(seen);
    if (fault === 'cut') {
      response.destroy();
      return;
    }
    if (typeof fault === 'object' && 'answer' in fault)
      return refuse(response, fault, seen.service);
    const partial = typeof fault === 'object' && 'fail' in fault ? fault : undefined;
    const batch =
      partial === undefined
        ? undefined
        : form === undefined
          ? jsonBatch(body, partial)
          : formBatch(form, partial);
    if (batch?.rest === '') {
      response.end(batch.answer(batch.empty));
      return;
    }
    const headers = { ...request.headers } as Record<string, string>;
    for (const name of ['content-length', 'connection', 'expect', 'transfer-encoding'])
      delete headers[name];
    const answer = await fetch(this.#upstream + (request.url ?? ''), {
      method: request.method ?? 'GET',
      headers,
      signal: this.#ended.signal,
      ...(bytes.length === 0 ? {} : { body: batch?.rest ?? bytes }),
    });
    const said = Buffer.from(await answer.arrayBuffer());
    this.answered(seen);
    if (fault === 'lose') {
      response.destroy();
      return;
    }
    let changed: Buffer | string = said;
    if (batch !== undefined) changed = batch.answer(said.toString());
    if (typeof fault === 'object' && 'answerWith' in fault)
      changed = JSON.stringify(
        fault.answerWith(JSON.parse(said.toString()) as Record<string, unknown>),
      );
    answer.headers.forEach((value, name) => {
      if (!/^(content-length|content-encoding|transfer-encoding|connection)$/.test(name))
        response.setHeader(name, value);
    });
    response.statusCode = answer.status;
    response.end(changed);
  }
}

/** By method and path, where the bucket is the first part of it. */
function s3Call(method: string | undefined, path: string): string {
  const [, key = ''] = /^\/[^/?]+\/?([^?]*)/.exec(path) ?? [];
  if (key === '') {
    if (path?.includes('?lifecycle')) return 'GetBucketLifecycleConfiguration';
    if (method === 'GET') return 'ListObjectsV2';
    return method === 'HEAD' ? 'HeadBucket' : 'CreateBucket';
  }
  const calls: Readonly<Record<string, string>> = {
    GET: 'GetObject',
    PUT: 'PutObject',
    DELETE: 'DeleteObject',
  };
  return calls[method ?? ''] ?? `${method} of an object`;
}

type Partial = Extract<Fault, { readonly fail: readonly number[] }>;

interface Batch {
  /** What the server is to hear of; '' if nothing. */
  readonly rest: string;
  readonly empty: string;
  answer(said: string): string;
}

function jsonBatch(body: string, { fail, code, senderFault }: Partial): Batch {
  const asked = JSON.parse(body) as { readonly Entries: { readonly Id: string }[] };
  const left = asked.Entries.filter((_, at) => !fail.includes(at));
  const failed = asked.Entries.filter((_, at) => fail.includes(at)).map(({ Id }) => ({
    Id,
    Code: code,
    SenderFault: senderFault,
  }));
  return {
    rest: left.length === 0 ? '' : JSON.stringify({ ...asked, Entries: left }),
    empty: '{}',
    answer(said) {
      const answer = JSON.parse(said) as { readonly Failed?: unknown[] };
      return JSON.stringify({ ...answer, Failed: [...(answer.Failed ?? []), ...failed] });
    },
  };
}

function formBatch(form: URLSearchParams, { fail, code, senderFault }: Partial): Batch {
  const entry = /^(PublishBatchRequestEntries\.member\.)(\d+)(\..*)$/;
  const numbers = new Map<number, number>();
  const rest = new URLSearchParams();
  let failed = '';
  for (const [name, value] of form) {
    const [, before, number, after] = entry.exec(name) ?? [];
    if (number === undefined) rest.append(name, value);
    else if (fail.includes(Number(number) - 1)) {
      if (after === '.Id')
        failed += `<member><Id>${value}</Id><Code>${code}</Code><SenderFault>${senderFault}</SenderFault></member>`;
    } else {
      if (!numbers.has(Number(number))) numbers.set(Number(number), numbers.size + 1);
      rest.append(`${before}${numbers.get(Number(number))}${after}`, value);
    }
  }
  const name = 'PublishBatch';
  return {
    rest: numbers.size === 0 ? '' : rest.toString(),
    empty: `<${name}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><${name}Result><Successful></Successful><Failed></Failed></${name}Result></${name}Response>`,
    answer: (said) => said.replace('</Failed>', `${failed}</Failed>`),
  };
}

function refuse(
  response: ServerResponse,
  { answer, code = 'InternalError' }: Extract<Fault, { readonly answer: number }>,
  service: Seen['service'],
): void {
  response.statusCode = answer;
  if (service === 'sqs') {
    response.setHeader('content-type', 'application/x-amz-json-1.0');
    response.end(JSON.stringify({ __type: code, message: 'injected' }));
    return;
  }
  response.setHeader('content-type', 'application/xml');
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>injected</Message></Error>`;
  response.end(service === 's3' ? error : `<ErrorResponse>${error}</ErrorResponse>`);
}
