interface Requests {
  readonly sns: number;
  readonly snsFifo: number;
  readonly sqs: number;
  readonly sqsFifo: number;
  readonly s3Put: number;
  readonly s3Get: number;
  readonly s3Delete: number;
}

/** What a test of the adapter has counted: requests by what is done. */
export interface Costs {
  readonly thousand: Readonly<Record<string, Requests>>;
  readonly idleHour: Readonly<Record<string, Requests>>;
}

const columns: readonly (readonly [kind: keyof Requests, label: string])[] = [
  ['sns', 'SNS'],
  ['snsFifo', 'SNS FIFO'],
  ['sqs', 'SQS'],
  ['sqsFifo', 'SQS FIFO'],
  ['s3Put', 'S3 PUT, LIST'],
  ['s3Get', 'S3 GET'],
  ['s3Delete', 'S3 DELETE'],
];

/** US dollars for a million, us-east-1. */
const prices: Readonly<Record<keyof Requests, number>> = {
  sns: 0.5,
  snsFifo: 0.3,
  sqs: 0.4,
  sqsFifo: 0.5,
  s3Put: 5,
  s3Get: 0.4,
  s3Delete: 0,
};
/** For a million documents that a FIFO topic hands to one queue. */
const fifoDelivery = 0.01;

const hoursOfAMonth = 730;

const assumptions = [
  'Requests for 1,000 documents of some bytes and one subscription or group, and in an hour with nothing to do;',
  'dollars for a million documents, and for a month of 730 hours.',
  'At the list prices of us-east-1 for a million:',
  `SNS $${prices.sns.toFixed(2)}, FIFO $${prices.snsFifo.toFixed(2)} and $${fifoDelivery} for deliveries (in with what is published);`,
  `SQS $${prices.sqs.toFixed(2)}, FIFO $${prices.sqsFifo.toFixed(2)}; S3 $${prices.s3Put.toFixed(2)} for PUT and LIST, $${prices.s3Get.toFixed(2)} for GET.`,
  'SNS and SQS count every 64 KiB of a request as one. Storage, traffic and free tiers are left out.',
].join('\n');

/** A line for each thing that costs requests, and under the table what is assumed. */
export function costsTable({ thousand, idleHour }: Costs): string {
  const all = [...Object.values(thousand), ...Object.values(idleHour)];
  const shown = columns.filter(([kind]) => all.some((requests) => requests[kind] > 0));
  const row = (what: string, requests: Requests, dollars: string): string => {
    const counts = shown.map(([kind]) => requests[kind].toLocaleString('en-US'));
    return `| ${[what, ...counts, dollars].join(' | ')} |`;
  };
  return [
    `| | ${shown.map(([, label]) => label).join(' | ')} | US dollars |`,
    `|---|${'---:|'.repeat(shown.length + 1)}`,
    ...Object.entries(thousand).map(([what, requests]) => {
      const isFifo = what.startsWith('publish') && requests.snsFifo > 0;
      // for a thousand documents at a price for a million: that is for a million at one for a thousand
      const dollars = dollarsOf(requests) * 1_000 + (isFifo ? fifoDelivery : 0);
      return row(what, requests, `${dollars.toFixed(2)} a million`);
    }),
    ...Object.entries(idleHour).map(([what, requests]) =>
      row(`idle: ${what}`, requests, `${(dollarsOf(requests) * hoursOfAMonth).toFixed(2)} a month`),
    ),
    '',
    assumptions,
  ].join('\n');
}

function dollarsOf(requests: Requests): number {
  return columns.reduce((sum, [kind]) => sum + requests[kind] * prices[kind], 0) / 1_000_000;
}
