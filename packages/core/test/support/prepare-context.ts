import { binaryBinding } from '../../src/binding.ts';
import type { Delivery } from '../../src/delivery.ts';
import type { StandardSchema } from '../../src/standard-schema.ts';
import { makeAttributes } from '../../src/envelope.ts';
import type { PrepareContext } from '../../src/prepare.ts';

export const binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });

export const context: PrepareContext = {
  source: '/shop',
  binding,
  now: () => Date.UTC(2026, 10, 1, 12),
};

/** A schema that takes `{ n: string }` and gives `{ n: number }`. */
export function numberSchema(mode: 'sync' | 'async'): StandardSchema<{ n: string }, { n: number }> {
  const validate = (
    value: unknown,
  ): { value: { n: number } } | { issues: { message: string; path: PropertyKey[] }[] } => {
    const n = Number((value as { n?: unknown } | null)?.n);
    return Number.isNaN(n)
      ? { issues: [{ message: 'must be a number', path: ['n'] }] }
      : { value: { n } };
  };
  return {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => (mode === 'sync' ? validate(value) : Promise.resolve(validate(value))),
    },
  };
}

/** A delivery as far as `prepare` looks at it. */
export function deliveryWith(id: string, extensions: Record<string, string> = {}): Delivery {
  const attributes = makeAttributes(
    {
      id,
      source: '/other',
      type: 't',
      time: '2026-11-01T12:00:00Z',
      datacontenttype: 'application/json',
    },
    extensions,
  );
  return { id, attributes } as unknown as Delivery;
}
