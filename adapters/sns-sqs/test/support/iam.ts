import type { Seen } from './proxy.ts';

/** What IAM calls what is named otherwise in the API. */
const names: Readonly<Record<string, readonly string[]>> = {
  SendMessageBatch: ['sqs:SendMessage'],
  DeleteMessageBatch: ['sqs:DeleteMessage'],
  ChangeMessageVisibilityBatch: ['sqs:ChangeMessageVisibility'],
  PublishBatch: ['sns:Publish'],
  ListObjectsV2: ['s3:ListBucket'],
  HeadBucket: ['s3:ListBucket'],
  GetBucketLifecycleConfiguration: ['s3:GetLifecycleConfiguration'],
};

/** The actions that a policy has to allow for a call. */
export function actionsOf({ service, call, conditional }: Seen): readonly string[] {
  const actions = names[call] ?? [`${service}:${call}`];
  // a tag is compared with that of an object that may be read
  return conditional ? [...actions, 's3:GetObject'] : actions;
}
