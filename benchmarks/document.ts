/** What is published: 1 KiB as JSON. */
export interface BenchDocument {
  readonly n: number;
  readonly customer: string;
  readonly note: string;
  readonly lines: readonly {
    readonly item: string;
    readonly quantity: number;
    readonly cents: number;
  }[];
}

const size = 1_024;
const lines = Array.from({ length: 8 }, (_, i) => ({
  item: `item-${i}`,
  quantity: i + 1,
  cents: 995 + 100 * i,
}));
const lorem = 'What a publisher says is understood without asking anyone. '.repeat(20);

export function makeDocument(n: number): BenchDocument {
  const bare = { n, customer: keyOf(n), note: '', lines };
  const room = size - JSON.stringify(bare).length;
  return { ...bare, note: lorem.slice(0, room) };
}

/** A thousand customers, so that every partition has its share. */
export function keyOf(n: number): string {
  return `customer-${(n * 7919) % 1000}`;
}
