/**
 * Takes the keys out of parsed JSON that change prototypes when a handler copies or merges the document: `__proto__`,
 * and `constructor` where its value has a `prototype`. Changes `value`.
 */
export function clean(value: unknown, text: string): unknown {
  // Both have it, as __proto__ or as prototype. A key can be written with escapes (\u005f is an underscore), so text that
  // holds those is looked through as well.
  if (!text.includes('proto') && !text.includes('\\u00')) return value;
  // Not recursive: what JSON.parse reads can be nested more deeply than the stack is.
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'object' && next !== null) {
      if (!Array.isArray(next)) cleanOne(next as Record<string, unknown>);
      for (const inner of Object.values(next)) {
        if (typeof inner === 'object' && inner !== null) open.push(inner);
      }
    }
  }
  return value;
}

function cleanOne(object: Record<string, unknown>): void {
  if (Object.hasOwn(object, '__proto__')) delete object['__proto__'];
  if (!Object.hasOwn(object, 'constructor')) return;
  const inner = object['constructor'];
  if (typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype')) {
    delete object['constructor'];
  }
}
