import { promisify } from 'node:util';
import zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import type { Decompress } from './record-batch.ts';

const gunzip = promisify(zlib.gunzip);
const gzip = 1;
const zstd = 4;
/** A batch is at most some MiB compressed; more than this unpacked is an attack or a mistake. */
const maxOutputLength = 256 * 1024 * 1024;

/** gzip and, from Node 22.15 on, zstd by Node; all else by what the application has registered in kafkajs. */
export const decompress: Decompress = (codec, bytes) => {
  if (codec === gzip) return gunzip(bytes, { maxOutputLength });
  if (codec === zstd && typeof zlib.zstdDecompress === 'function') {
    return promisify(zlib.zstdDecompress)(bytes, { maxOutputLength });
  }
  try {
    return (kafkajs.CompressionCodecs as Record<number, Codec>)[codec]?.().decompress(bytes);
  } catch (error) {
    if ((error as Error).name === 'KafkaJSNotImplemented') return undefined;
    throw error;
  }
};

type Codec = () => { decompress(bytes: Buffer): Promise<Buffer> };
