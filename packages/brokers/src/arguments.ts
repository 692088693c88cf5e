import { parseSpec } from './spec.ts';

export type Command =
  | { readonly verb: 'up' | 'down'; readonly names: readonly string[] }
  | { readonly verb: 'status' | 'help' };

export const usage = `npm run brokers -- up rabbitmq[@3.10|@4.0|@4.3] kafka   start (what runs is left alone)
                      redis[@7.0|@8.0] valkey[@8.1|@9.1] sns-sqs postgres[@15|@18]
                      rabbitmq-cluster kafka-cluster redis-cluster valkey-cluster
npm run brokers -- down [name ...]                      stop those, or all
npm run brokers -- status                               what runs, and its URLs`;

export function parseArguments(args: readonly string[]): Command {
  const [verb, ...rest] = args;
  switch (verb) {
    case 'up':
      if (rest.length === 0) throw new TypeError(`up what?\n${usage}`);
      return { verb, names: [...new Set(rest.map((text) => parseSpec(text).name))] };
    case 'down':
      return { verb, names: rest.map((text) => parseSpec(text).name) };
    case 'status':
    case undefined:
      return { verb: 'status' };
    case 'help':
    case '--help':
    case '-h':
      return { verb: 'help' };
    default:
      throw new TypeError(`unknown command "${verb}"\n${usage}`);
  }
}
