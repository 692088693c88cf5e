import { promisify } from 'node:util';
import zlib from 'node:zlib';
import kafkajs from 'kafkajs';
import type { Decompress } from './record-batch.ts';

const gunzip = promisify(zlib.gunzip);
const gzip = 1;
/** A batch is at most some MiB compressed; more than this unpacked is an attack or a mistake. */
const maxOutputLength = 256 * 1024 * 1024;

/** gzip by Node; everything else by what the application has registered in kafkajs' `CompressionCodecs`. */
export const decompress: Decompress = (codec, bytes) => {
  if (codec === gzip) return gunzip(bytes, { maxOutputLength });
  try {
    const registered = (
      kafkajs.CompressionCodecs as Record<
        number,
        () => { decompress(bytes: Buffer): Promise<Buffer> }
      >
    )[codec];
    return registered?.().decompress(bytes);
  } catch (error) {
    if ((error as Error).name === 'KafkaJSNotImplemented') return undefined;
    throw error;
  }
};
