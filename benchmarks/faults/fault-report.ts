import type { Violation } from './predicates.ts';

export interface Claim {
  readonly claim: string;
  readonly holds: boolean;
  readonly detail: string;
}

/** What one run has shown. */
export interface FaultReport {
  readonly name: string;
  readonly adapter: string;
  readonly broker: string;
  readonly seed: number;
  readonly figures: Readonly<Record<string, string | number>>;
  readonly claims: readonly Claim[];
}

export function holds(report: FaultReport): boolean {
  return report.claims.every((claim) => claim.holds);
}

/** That there is none of what must not be; names the first few. */
export function none(claim: string, violations: readonly Violation[]): Claim {
  const some = violations.slice(0, 5).map(({ id, what }) => `${id}: ${what}`);
  return {
    claim,
    holds: violations.length === 0,
    detail: [`${violations.length}`, ...some].join('\n    '),
  };
}

export function equal(claim: string, actual: number | string, wanted: number | string): Claim {
  return {
    claim,
    holds: actual === wanted,
    detail: actual === wanted ? String(actual) : `${actual}, not ${wanted}`,
  };
}

export function atMost(claim: string, actual: number, most: number): Claim {
  return { claim, holds: actual <= most, detail: `${actual.toFixed(1)} (at most ${most})` };
}

export function render({ name, adapter, broker, seed, figures, claims }: FaultReport): string {
  const width = Math.max(
    ...Object.keys(figures).map((label) => label.length),
    ...claims.map(({ claim }) => claim.length),
  );
  return [
    `${name} on ${adapter} (${broker}), seed ${seed}`,
    ...Object.entries(figures).map(([label, value]) => `  ${label.padEnd(width)}  ${value}`),
    ...claims.map(
      ({ claim, holds, detail }) =>
        `  ${claim.padEnd(width)}  ${holds ? 'holds' : 'BROKEN'}: ${detail}`,
    ),
  ].join('\n');
}
