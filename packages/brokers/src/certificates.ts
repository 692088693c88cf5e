import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureTool } from './apt.ts';
import { ensureFolder } from './paths.ts';
import { run } from './shell.ts';

export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Key and chain in one PEM file, as Kafka reads a key store. */
  readonly bundle: string;
}

export const certificatesIn = (folder: string): Certificates => ({
  ca: join(folder, 'ca.pem'),
  certificate: join(folder, 'server.pem'),
  key: join(folder, 'server-key.pem'),
  bundle: join(folder, 'server-bundle.pem'),
});

/** A throw-away authority and a server certificate of it for localhost and 127.0.0.1. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  await ensureTool('openssl', 'openssl');
  const files = certificatesIn(ensureFolder(folder));
  const caKey = join(folder, 'ca-key.pem');
  const newKey = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30'];
  await run('openssl', [
    ...newKey,
    '-subj',
    '/CN=duobus test authority',
    '-keyout',
    caKey,
    '-out',
    files.ca,
  ]);
  await run('openssl', [
    ...newKey,
    '-subj',
    '/CN=localhost',
    '-CA',
    files.ca,
    '-CAkey',
    caKey,
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-addext',
    'basicConstraints=critical,CA:FALSE',
    '-keyout',
    files.key,
    '-out',
    files.certificate,
  ]);
  const chain = [files.key, files.certificate, files.ca].map((file) => readFileSync(file, 'utf8'));
  writeFileSync(files.bundle, chain.join(''));
  return files;
}
