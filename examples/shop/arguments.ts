import { parseArgs } from 'node:util';

export interface Arguments {
  readonly events: string;
  readonly data: string;
  readonly orders: number;
  readonly wiring: 'plain' | 'inversify';
  readonly json: string | undefined;
}

export const usage = `npm run shop -- [--url URL | --events URL --data URL] [options]
  --url URL       the broker of both buses; default: memory:, without a broker and in one process
  --events URL    the broker of the event bus
  --data URL      the broker of the data bus
  --orders N      how many orders are placed (default 400, at least 40)
  --wiring W      who puts the services together: plain (default) or inversify
  --json FILE     writes what was counted and measured`;

/** @throws TypeError with the usage for anything that is not understood. */
export function parseArguments(args: readonly string[]): Arguments {
  const { orders = '400', wiring = 'plain', json, ...urls } = understand(args);
  const { url = 'memory:shop', events = url, data = url } = urls;
  if (wiring !== 'plain' && wiring !== 'inversify')
    throw new TypeError(`--wiring must be plain or inversify, got '${wiring}'\n${usage}`);
  return { events, data, orders: count(orders), wiring, json };
}

function understand(args: readonly string[]) {
  try {
    const string = { type: 'string' } as const;
    const urls = { url: string, events: string, data: string };
    const options = { ...urls, orders: string, wiring: string, json: string };
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new TypeError(`${(error as Error).message}\n${usage}`, { cause: error });
  }
}

function count(text: string): number {
  const orders = Number(text);
  if (Number.isInteger(orders) && orders >= 40) return orders;
  throw new TypeError(`--orders must be a whole number of at least 40, got '${text}'\n${usage}`);
}
