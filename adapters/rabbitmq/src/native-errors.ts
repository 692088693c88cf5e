import type { ErrorCode } from '@duobus/core';
import { BusError } from '@duobus/core/driver';

interface Verdict {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly help: string;
}

const unavailable: Verdict = {
  code: 'DUOBUS_UNAVAILABLE',
  retryable: true,
  help: 'it is tried again',
};

const verdict = (code: ErrorCode, help: string, retryable = false): Verdict => ({
  code,
  retryable,
  help,
});

/** What a broker says when a queue is there but cannot be used now: after a restart, or with a node down. */
const transient =
  /down or inaccessible|replica on the local node|stopped by supervisor|timeout|timed out|no leader|not available|quorum/i;

/** Replies of the broker by AMQP reply code. */
function fromReply(code: number, text: string): Verdict {
  switch (code) {
    case 311:
      return verdict('DUOBUS_TOO_LARGE', 'publish a smaller document');
    case 403:
      return verdict(
        'DUOBUS_PERMISSION',
        'check the user, its password, and its configure, write and read permissions in this vhost',
      );
    case 404:
      if (transient.test(text)) return unavailable;
      return verdict(
        'DUOBUS_NOT_FOUND',
        'it was deleted, or never made: create it, or subscribe anew',
      );
    case 405:
      return verdict('DUOBUS_CONFLICT', 'another connection holds it exclusively', true);
    case 406:
      return fromPrecondition(text);
    case 530:
      return fromNotAllowed(text);
    case 540:
      return verdict('DUOBUS_NOT_SUPPORTED', 'use RabbitMQ 3.10 or newer');
    default:
      return unavailable;
  }
}

function fromPrecondition(text: string): Verdict {
  if (/message size/i.test(text)) {
    return verdict('DUOBUS_TOO_LARGE', "raise the broker's max_message_size or publish less");
  }
  if (/unknown delivery tag/i.test(text)) {
    return verdict('DUOBUS_BUG', 'please report it', true);
  }
  if (transient.test(text)) return unavailable;
  if (/inequivalent arg/i.test(text)) {
    return verdict(
      'DUOBUS_TOPIC_MISMATCH',
      'something else declared it with other properties: choose another name, or delete it first',
    );
  }
  return verdict('DUOBUS_CONFLICT', 'the broker refuses it in its present state');
}

function fromNotAllowed(text: string): Verdict {
  if (/limit/i.test(text)) return unavailable;
  if (/not found/i.test(text)) {
    return verdict('DUOBUS_NOT_FOUND', 'create the vhost, or name another one in the URL');
  }
  return verdict('DUOBUS_PERMISSION', 'give the user access to the vhost, or name another one');
}

/** Errors of Node's TLS: trying again does not mend a certificate. */
const tls = /^(ERR_TLS|ERR_SSL|CERT_|EPROTO$|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

function fromError(error: Error & { readonly code?: unknown }): Verdict {
  const { code, message } = error;
  if (typeof code === 'number') return fromReply(code, message);
  if (typeof code === 'string') {
    if (tls.test(code)) {
      return verdict(
        'DUOBUS_PERMISSION',
        'check the certificate, the option tls.ca, and that the port speaks TLS',
      );
    }
    if (code.startsWith('ERR_')) return verdict('DUOBUS_BUG', 'please report it');
    return unavailable;
  }
  // amqplib drops what the broker says here
  if (message.includes('Expected ConnectionOpenOk')) {
    const help =
      'the vhost does not exist, the user has no access to it, or it has too many connections';
    return verdict('DUOBUS_PERMISSION', help);
  }
  // a refused handshake carries its reply code in the text only
  const reply = /\b([345]\d\d) \([A-Z-]+\)/.exec(message);
  if (reply !== null) return fromReply(Number(reply[1]), message);
  if (error instanceof RangeError && /field table/.test(message)) {
    return verdict(
      'DUOBUS_TOO_LARGE',
      'headers of one message may take 64 KiB: shorten its attributes',
    );
  }
  if (error instanceof TypeError || error instanceof RangeError) {
    return verdict('DUOBUS_BUG', 'please report it');
  }
  return unavailable;
}

/** The BusError for whatever amqplib, the broker or the socket said. `tried` completes "RabbitMQ: cannot ...". */
export function classify(error: unknown, tried = 'go on'): BusError {
  if (BusError.is(error)) return error;
  const { code, retryable, help } =
    error instanceof Error ? fromError(error) : { ...unavailable, help: 'it is tried again' };
  const said = error instanceof Error ? error.message : 'the connection was closed';
  return new BusError(code, `RabbitMQ: cannot ${tried}: ${said}; ${help}`, {
    ...(error === undefined ? {} : { cause: error }),
    retryable,
  });
}

/** Whether the broker says that the thing itself does not exist, rather than that it cannot be reached. */
export function isMissing(error: unknown): boolean {
  return BusError.is(classify(error), 'DUOBUS_NOT_FOUND');
}
