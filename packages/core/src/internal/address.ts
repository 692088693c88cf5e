/** Where a server listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port` or `[::1]:port`; what has no port has `standardPort`. `undefined` for anything else. */
export function parseAddress(text: unknown, standardPort?: number): Address | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:\s[\]/@]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? standardPort ?? 0);
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}

/** As {@link parseAddress} reads it. */
export const formatAddress = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
