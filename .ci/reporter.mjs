import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { spec } from 'node:test/reporters';

/** What the spec reporter prints, then the counts; a run that tested nothing or skipped is red. */
export default async function* reporter(source) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  async function* counted() {
    for await (const event of source) {
      const { details, skip, todo } = event.data ?? {};
      const ended = event.type === 'test:pass' || event.type === 'test:fail';
      if (ended && details?.type !== 'suite') {
        if (skip !== undefined || todo !== undefined) counts.skipped += 1;
        else counts[event.type === 'test:pass' ? 'passed' : 'failed'] += 1;
      }
      // of an error and what went wrong while tidying up after it, the error is what counts
      const error = details?.error;
      while (error?.cause?.name === 'SuppressedError') error.cause = error.cause.suppressed;
      yield event;
    }
  }
  yield* Readable.from(counted()).compose(new spec());
  if (counts.passed + counts.failed === 0) process.exitCode = 1; // node --test is green on an empty glob
  if (counts.skipped > 0) process.exitCode = 1; // nothing declared is ever skipped
  // .ci/test.mjs has brokers to stop first, and prints the line after that
  const file = process.env.DUOBUS_TEST_COUNTS_FILE;
  if (file === undefined) yield `\n${countLine(counts)}\n`;
  else writeFileSync(file, JSON.stringify(counts));
}

export const countLine = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;
