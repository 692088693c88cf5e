import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BusError } from '@duobus/core/driver';
import type { Condition, Listing, ObjectStore, StoredObject } from '@duobus/object-log';
import { classify, statusOf } from './native-errors.ts';

/** Objects in a bucket of S3, which compares and sets by itself. */
export class S3Store implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #check: () => void;

  /** `check` throws when nothing may be asked any more. */
  constructor(client: S3Client, bucket: string, check: () => void) {
    this.#client = client;
    this.#bucket = bucket;
    this.#check = check;
  }

  async get(key: string, signal: AbortSignal, bytes?: number): Promise<StoredObject | undefined> {
    this.#check();
    const range = bytes === undefined ? {} : { Range: `bytes=0-${bytes - 1}` };
    try {
      const reply = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#bucket, Key: key, ...range }),
        { abortSignal: signal },
      );
      return {
        body: (await reply.Body?.transformToByteArray()) ?? new Uint8Array(),
        etag: etagOf(reply, key),
        at: reply.LastModified?.getTime() ?? 0,
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw this.#failed(error, `read ${key}`, signal);
    }
  }

  async put(
    key: string,
    body: Uint8Array,
    condition: Condition | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly etag: string } | 'conflict'> {
    this.#check();
    try {
      const reply = await this.#client.send(
        new PutObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          Body: body,
          ...conditionOf(condition),
        }),
        { abortSignal: signal },
      );
      return { etag: etagOf(reply, key) };
    } catch (error) {
      if (condition !== undefined && isConflict(error)) return 'conflict';
      throw this.#failed(error, `write ${key}`, signal);
    }
  }

  async remove(
    key: string,
    condition: { readonly etag: string } | undefined,
    signal: AbortSignal,
  ): Promise<'removed' | 'conflict'> {
    this.#check();
    try {
      await this.#client.send(
        new DeleteObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(condition === undefined ? {} : { IfMatch: condition.etag }),
        }),
        { abortSignal: signal },
      );
      return 'removed';
    } catch (error) {
      if (condition === undefined && isMissing(error)) return 'removed';
      if (condition !== undefined && isConflict(error)) return 'conflict';
      throw this.#failed(error, `remove ${key}`, signal);
    }
  }

  async list(
    prefix: string,
    { after, limit }: { readonly after?: string; readonly limit?: number },
    signal: AbortSignal,
  ): Promise<Listing> {
    this.#check();
    try {
      const reply = await this.#client.send(
        new ListObjectsV2Command({
          Bucket: this.#bucket,
          Prefix: prefix,
          ...(after === undefined ? {} : { StartAfter: after }),
          ...(limit === undefined ? {} : { MaxKeys: limit }),
        }),
        { abortSignal: signal },
      );
      const objects = (reply.Contents ?? []).map(({ Key, ETag, LastModified, Size }) => ({
        key: Key ?? '',
        etag: ETag ?? '',
        at: LastModified?.getTime() ?? 0,
        size: Size ?? 0,
      }));
      return { objects, more: reply.IsTruncated === true };
    } catch (error) {
      throw this.#failed(error, `list ${prefix}`, signal);
    }
  }

  #failed(error: unknown, tried: string, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return classify(error, `${tried} in bucket ${this.#bucket}`);
  }
}

/** Whatever else answers, with a status that says that all is well, is not S3. */
function etagOf({ ETag }: { readonly ETag?: string | undefined }, key: string): string {
  if (ETag !== undefined) return ETag;
  throw new BusError(
    'DUOBUS_UNAVAILABLE',
    `S3: the answer about ${key} has no tag: is it S3 that answers at this endpoint?`,
    { retryable: true, outcome: 'unknown' },
  );
}

function conditionOf(condition: Condition | undefined): {
  readonly IfNoneMatch?: string;
  readonly IfMatch?: string;
} {
  if (condition === undefined) return {};
  return 'absent' in condition ? { IfNoneMatch: '*' } : { IfMatch: condition.etag };
}

function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket';
}

/** 412: another one is there. 404: none is there to be compared with. 409: another write of the same object won
 *  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). */
function isConflict(error: unknown): boolean {
  const status = statusOf(error);
  if (status === 412 || isMissing(error)) return true;
  return status === 409 && (error as Error).name === 'ConditionalRequestConflict';
}
