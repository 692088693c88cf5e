/** Emulators read from the header of a signed request which service is meant, and do not check the signature. */
const unsigned = (service: string): string =>
  `AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=00`;

async function ask(url: string, service: string, init: RequestInit, says: string): Promise<void> {
  const response = await fetch(url, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), authorization: unsigned(service) },
    signal: AbortSignal.timeout(5_000),
  });
  const text = await response.text();
  if (response.ok && text.includes(says)) return;
  throw new Error(`${service} answers ${response.status} ${text.slice(0, 200)}`);
}

/** S3, SQS and SNS answer; resolves to the version of the emulator, if it says one. */
export async function awsHandshake(url: string): Promise<string> {
  const base = `http://${new URL(url).host}/`;
  await ask(base, 's3', {}, 'ListAllMyBucketsResult');
  const queues = {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': 'AmazonSQS.ListQueues',
    },
    body: '{"MaxResults":1}',
  };
  await ask(base, 'sqs', queues, '{');
  const topics = { Action: 'ListTopics', Version: '2010-03-31' };
  await ask(base, 'sns', { method: 'POST', body: new URLSearchParams(topics) }, 'ListTopicsResult');
  const health = await fetch(`${base}_localstack/health`, { signal: AbortSignal.timeout(5_000) });
  if (!health.ok) return 'unknown';
  const { version = 'unknown' } = (await health.json()) as { version?: string };
  return version;
}
