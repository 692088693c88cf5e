/** What a test of the adapter has seen: the actions of IAM by role. */
export type Permissions = Readonly<Record<'create' | 'publish' | 'consume', readonly string[]>>;

const roles: readonly (readonly [keyof Permissions, what: string])[] = [
  ['create', "To make topics and subscriptions, and to consume: topology `'create'`, the default"],
  ['publish', "To publish to topics that exist: topology `'check'`"],
  ['consume', "To consume from subscriptions that exist: topology `'check'`"],
];

const resources: readonly (readonly [resource: string, isOf: (action: string) => boolean])[] = [
  ['arn:aws:sns:*:*:duobus-*', (action) => /^sns:(?!Unsubscribe$)/.test(action)],
  // IAM knows no resource for this one
  ['*', (action) => action === 'sns:Unsubscribe'],
  ['arn:aws:sqs:*:*:duobus-*', (action) => action.startsWith('sqs:')],
  [
    'arn:aws:s3:::my-bucket',
    (action) => /^s3:(ListBucket|GetLifecycleConfiguration)$/.test(action),
  ],
  ['arn:aws:s3:::my-bucket/duobus/*', (action) => /^s3:\w+Object$/.test(action)],
];

/** A policy for each role, with the least that it needs. */
export function policies(permissions: Permissions): string {
  return roles
    .map(([role, what]) => `${what}:\n\n\`\`\`json\n${policy(permissions[role])}\n\`\`\``)
    .join('\n\n');
}

function policy(actions: readonly string[]): string {
  const statements = resources
    .map(([Resource, isOf]) => ({ Effect: 'Allow', Action: actions.filter(isOf), Resource }))
    .filter(({ Action }) => Action.length > 0);
  const said = statements.flatMap(({ Action }) => Action);
  const other = actions.filter((action) => !said.includes(action));
  if (other.length > 0) throw new Error(`nobody knows the resource of ${other.join(', ')}`);
  return JSON.stringify({ Version: '2012-10-17', Statement: statements }, undefined, 2);
}
