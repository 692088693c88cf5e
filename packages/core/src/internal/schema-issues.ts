import type { SchemaIssue } from '../standard-schema.ts';

const shownIssues = 5;

/** What a schema found, in one line of bounded length. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  const lines = issues.slice(0, shownIssues).map((issue) => {
    const path = (issue.path ?? [])
      .map((part) => String(typeof part === 'object' ? part.key : part))
      .join('.');
    const message = issue.message.slice(0, 200);
    return path === '' ? message : `${path.slice(0, 200)}: ${message}`;
  });
  const more = issues.length - lines.length;
  return more > 0 ? `${lines.join('; ')}; and ${more} more` : lines.join('; ');
}
