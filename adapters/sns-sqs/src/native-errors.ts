import type { ErrorCode, PublishFailure } from '@duobus/core';
import { BusError } from '@duobus/core/driver';

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

const unavailable = verdict('DUOBUS_UNAVAILABLE', 'it is tried again', true);
const throttled = verdict(
  'DUOBUS_UNAVAILABLE',
  'AWS asks for fewer requests: it is tried again; ask AWS for a higher quota if it stays so',
  true,
);
const permission = verdict(
  'DUOBUS_PERMISSION',
  'check the credentials, and that they may do what the documentation of @duobus/sns-sqs lists',
);
const gone = verdict('DUOBUS_NOT_FOUND', "run once with topology 'create'");
const tooLarge = verdict('DUOBUS_TOO_LARGE', 'publish a smaller document');
const elsewhere = verdict(
  'DUOBUS_NOT_FOUND',
  'the bucket is in another region: give that one, in option region or in the URL',
);
const malformed = verdict('DUOBUS_BUG', 'please report it');

/** What SNS, SQS and S3 call the same thing. Each in lower case. */
const names: ReadonlyMap<string, Verdict> = new Map([
  ...list(
    throttled,
    'throttling throttlingexception throttledexception throttled toomanyrequestsexception requestthrottled requestthrottledexception requestlimitexceeded slowdown bandwidthlimitexceeded kmsthrottling kmsthrottlingexception limitexceeded overlimit transactioninprogressexception provisionedthroughputexceededexception',
  ),
  ...list(
    permission,
    'accessdenied accessdeniedexception authorizationerror authorizationerrorexception invalidclienttokenid invalidaccesskeyid signaturedoesnotmatch invalidsignatureexception expiredtoken expiredtokenexception unrecognizedclientexception missingauthenticationtoken optinrequired credentialsprovidererror tokenproviderror kmsaccessdenied kmsaccessdeniedexception kmsdisabled kmsdisabledexception invalidsecurity',
  ),
  ...list(
    gone,
    'queuedoesnotexist aws.simplequeueservice.nonexistentqueue nonexistentqueue notfound notfoundexception resourcenotfoundexception',
  ),
  ...list(
    verdict('DUOBUS_NOT_FOUND', 'make the bucket, or give the name of another'),
    'nosuchbucket',
  ),
  ...list(
    elsewhere,
    'permanentredirect authorizationheadermalformed illegallocationconstraintexception',
  ),
  ...list(tooLarge, 'batchrequesttoolong entitytoolarge'),
  ...list(
    verdict('DUOBUS_UNAVAILABLE', 'AWS lets a name be used again after a minute', true),
    'queuedeletedrecently aws.simplequeueservice.queuedeletedrecently',
  ),
  ...list(
    verdict(
      'DUOBUS_CONFLICT',
      'a queue of that name has other settings: remove it, or use another prefix',
    ),
    'queuenameexists queuealreadyexists',
  ),
  ...list(
    unavailable,
    'requesttimeout requesttimeoutexception conditionalrequestconflict operationaborted concurrentaccess concurrentaccessexception',
  ),
  // the SDK has learned from that very reply how wrong the clock is
  ...list(
    verdict('DUOBUS_UNAVAILABLE', 'the clock of this machine is wrong; it is tried again', true),
    'requesttimetooskewed requestexpired',
  ),
  ...list(
    verdict('DUOBUS_REJECTED', 'a quota of the account is reached: ask AWS for a higher one'),
    'filterpolicylimitexceeded filterpolicylimitexceededexception subscriptionlimitexceeded subscriptionlimitexceededexception topiclimitexceeded topiclimitexceededexception',
  ),
]);

/** Words for credentials that are not valid, or not any more; what they may do is another question. */
const invalidCredentials = new Set(
  'invalidclienttokenid invalidaccesskeyid signaturedoesnotmatch invalidsignatureexception expiredtoken expiredtokenexception unrecognizedclientexception missingauthenticationtoken invalidsecurity'.split(
    ' ',
  ),
);
/** What the SDK calls replies without a body, such as those to HEAD. */
const unsaid = /^(400|403|Forbidden|BadRequest|Bad Request|Unknown|UnknownError)$/;

/** Nothing was sent. */
const neverSent = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;
/** Trying again does not mend a certificate. */
const tls = /^(ERR_TLS|ERR_SSL|CERT_|EPROTO$|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/;

function list(what: Verdict, words: string): readonly (readonly [string, Verdict])[] {
  return words.split(' ').map((word) => [word, what]);
}

/** As far as it is used of what the SDK rejects with. */
interface SdkError extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The status of the reply, if there was one. */
export function statusOf(error: unknown): number | undefined {
  return (error as Partial<SdkError> | undefined)?.$metadata?.httpStatusCode;
}

/** Whether other credentials may be let in: the reply says so, or does not say why it is a refusal. */
export function refusesCredentials(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const status = statusOf(error);
  const { name } = error;
  return (
    invalidCredentials.has(name.toLowerCase()) ||
    ((status === 400 || status === 403) && unsaid.test(name))
  );
}

function verdictOf(error: SdkError): Verdict {
  const found = names.get(error.name.toLowerCase());
  if (found !== undefined) return found;
  const status = statusOf(error);
  if (typeof error.code === 'string' && tls.test(error.code))
    return verdict('DUOBUS_PERMISSION', 'check the certificate of the endpoint');
  if (status === undefined)
    return error instanceof TypeError || error instanceof RangeError ? malformed : unavailable;
  if (status >= 300 && status < 400) return elsewhere;
  if (status === 429 || /throttl|slow ?down/i.test(error.message)) return throttled;
  if (status === 401 || status === 403) return permission;
  if (status === 413 || /too (long|large)|longer than|must be shorter/i.test(error.message))
    return tooLarge;
  if (status >= 500 || status === 408) return unavailable;
  return status >= 400 ? malformed : unavailable;
}

/** Whether what was tried has certainly not been done. */
function outcomeOf(error: SdkError, found: Verdict): PublishFailure {
  const status = statusOf(error);
  if (found === throttled || found === permission || found === elsewhere) return 'rejected';
  if (typeof error.code === 'string' && neverSent.test(error.code)) return 'rejected';
  if (status === undefined || status === 408 || status >= 500) return 'unknown';
  return status >= 400 ? 'rejected' : 'unknown';
}

/** Whether SQS has handed out as many messages of a queue as it does, until some are settled. */
export function isOverLimit({ cause }: BusError): boolean {
  return cause instanceof Error && /OverLimit/.test(cause.name);
}

/** The BusError for whatever the SDK or the network said. `tried` completes "AWS: cannot ...". */
export function classify(error: unknown, tried: string): BusError {
  if (BusError.is(error)) return error;
  if (!(error instanceof Error))
    return new BusError('DUOBUS_UNAVAILABLE', `AWS: cannot ${tried}: the connection was lost`, {
      cause: error ?? 'no reason given',
      retryable: true,
      outcome: 'unknown',
    });
  const found = verdictOf(error);
  const said = error.message === '' ? error.name : error.message;
  return new BusError(found.code, `AWS: cannot ${tried}: ${error.name}: ${said}; ${found.help}`, {
    cause: withoutRequest(error),
    retryable: found.retryable,
    outcome: outcomeOf(error, found),
  });
}

/** The SDK hangs the reply on its errors, and that knows its request, with its signature. */
function withoutRequest(error: Error): Error {
  // of some errors it cannot be changed; there it is not enumerable, so that nothing prints it
  if (Object.getOwnPropertyDescriptor(error, '$response')?.configurable === true)
    Object.defineProperty(error, '$response', { value: undefined, enumerable: false });
  return error;
}
