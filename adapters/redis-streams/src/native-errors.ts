import { BusError } from '@duobus/core/driver';
import type { ErrorCode } from '@duobus/core';

interface Verdict {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly help: string;
}

const verdict = (code: ErrorCode, help: string, retryable = false): Verdict => ({
  code,
  retryable,
  help,
});

const unavailable: Verdict = verdict('DUOBUS_UNAVAILABLE', 'it is tried again', true);
const permission = (help: string): Verdict => verdict('DUOBUS_PERMISSION', help);

/** By the first word of an error reply. */
const replies: ReadonlyMap<string, Verdict> = new Map([
  ['NOAUTH', permission('the server asks for a password: give username and password')],
  ['WRONGPASS', permission('check username and password')],
  [
    'NOPERM',
    permission(
      'the ACL user needs the keys ~*duobus*, the channels &duobus:* and the commands of the documentation',
    ),
  ],
  [
    'OOM',
    verdict('DUOBUS_REJECTED', 'the server is full: raise its maxmemory, or keep less', true),
  ],
  [
    'WRONGTYPE',
    verdict('DUOBUS_CONFLICT', 'something else uses a key of duobus: use another database'),
  ],
  ['CROSSSLOT', verdict('DUOBUS_BUG', 'please report it')],
  ['MOVED', unavailable],
  ['ASK', unavailable],
  ['TRYAGAIN', unavailable],
  ['CLUSTERDOWN', unavailable],
  ['LOADING', unavailable],
  ['MASTERDOWN', unavailable],
  [
    'READONLY',
    verdict('DUOBUS_UNAVAILABLE', 'it is a replica now: its master is looked for', true),
  ],
  [
    'MISCONF',
    verdict('DUOBUS_UNAVAILABLE', 'the server cannot write to its disk: see its log', true),
  ],
  ['NOREPLICAS', verdict('DUOBUS_UNAVAILABLE', 'too few replicas are connected', true)],
  ['BUSY', verdict('DUOBUS_UNAVAILABLE', 'a script of somebody else blocks the server', true)],
  ['NOSCRIPT', unavailable],
]);

/** Errors of Node's TLS: trying again does not mend a certificate. */
const tls = /^(ERR_TLS|ERR_SSL|CERT_|EPROTO$|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

/** Replies after which the connection leads to the wrong place, so that another must be made. */
const misled = /^(READONLY|MASTERDOWN|LOADING|MOVED|ASK|CLUSTERDOWN|TRYAGAIN|NOAUTH)\b/;

/** Whether the server itself has said that it did not do it. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Whether what was tried has certainly not been done: it was refused, or never sent. */
export function isCertain({ cause }: BusError): boolean {
  return cause === undefined || isReply(cause);
}

/** Whether the server has to be looked for anew. */
export function isMisled(error: unknown): boolean {
  return error instanceof Error && misled.test(error.message);
}

/** Whether the server does not know the user or the password, or not any more. */
export function refusesLogin(error: unknown): boolean {
  return error instanceof Error && /^(WRONGPASS|NOAUTH)\b/.test(error.message);
}

function fromReply(message: string): Verdict {
  const word = /^[A-Z]+/.exec(message)?.[0] ?? '';
  const found = replies.get(word);
  if (found !== undefined) return found;
  // scripts that are refused in the middle carry the reply of the command in their text
  const inner = /\b(OOM|MISCONF|NOREPLICAS|READONLY|WRONGTYPE|NOPERM)\b/.exec(message)?.[1];
  const within = inner === undefined ? undefined : replies.get(inner);
  if (within !== undefined) return within;
  if (/DB index is out of range/i.test(message))
    return verdict('DUOBUS_NOT_FOUND', 'the server has fewer databases: check database');
  if (/string exceeds maximum allowed size|too big/i.test(message))
    return verdict('DUOBUS_TOO_LARGE', 'publish a smaller document');
  if (/unknown command|cluster support disabled/i.test(message))
    return verdict('DUOBUS_NOT_SUPPORTED', 'use Redis 7.0 or newer, or Valkey');
  if (/max number of clients/i.test(message)) return unavailable;
  return verdict('DUOBUS_BUG', 'please report it');
}

function verdictOf(error: Error & { readonly code?: unknown }): Verdict {
  if (isReply(error)) return fromReply(error.message);
  if (typeof error.code === 'string' && tls.test(error.code))
    return permission('check the certificate, the option tls.ca, and that the port speaks TLS');
  if (error instanceof TypeError || error instanceof RangeError)
    return verdict('DUOBUS_BUG', 'please report it');
  return unavailable;
}

/** Passwords are arguments of commands, and ioredis hangs commands on its errors. */
export function withoutCommand(error: Error): Error {
  if ('command' in error) delete error.command;
  return error;
}

/** The BusError for whatever ioredis, the server or the socket said. `tried` completes "Redis: cannot ...". */
export function classify(error: unknown, tried = 'go on'): BusError {
  if (BusError.is(error)) return error;
  if (!(error instanceof Error))
    return new BusError('DUOBUS_UNAVAILABLE', `Redis: cannot ${tried}: the connection was lost`, {
      cause: error ?? 'no reason given',
      retryable: true,
    });
  const { code, retryable, help } = verdictOf(error);
  return new BusError(code, `Redis: cannot ${tried}: ${error.message}; ${help}`, {
    cause: withoutCommand(error),
    retryable,
  });
}
