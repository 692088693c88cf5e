#!/usr/bin/env node
import { parseArguments, usage } from './arguments.ts';
import { down, type SharedBroker, status, up } from './shared.ts';
import { urlVariables } from './spec.ts';

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function bringUp(names: readonly string[]): Promise<void> {
  const timed = async (name: string): Promise<SharedBroker & { readonly took: string }> => {
    const since = performance.now();
    return { ...(await up(name)), took: seconds(since) };
  };
  const outcomes = await Promise.allSettled(names.map(timed));
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') continue;
    const { name, version, url, recipe, started, took } = outcome.value;
    const how = started ? `started (${recipe}, ${took})` : 'was running';
    console.log(`${name.padEnd(22)} ${version.padEnd(8)} ${how.padEnd(26)} ${url}`);
  }
  const [first, ...others] = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as Error] : [],
  );
  if (first !== undefined) {
    throw new Error([first, ...others].map(({ message }) => message).join('\n'));
  }
}

async function show(): Promise<void> {
  const found = await status();
  if (found.length === 0)
    console.log('no broker runs; start one: npm run brokers -- up rabbitmq kafka');
  for (const { name, version, state, url, private: owned } of found) {
    const note = owned ? `${state}, private` : state;
    console.log(`${name.padEnd(22)} ${version.padEnd(8)} ${note.padEnd(14)} ${url}`);
  }
  const shared = found.filter((broker) => !broker.private && broker.state === 'running');
  for (const { kind, url } of shared) console.log(`${urlVariables[kind]}=${url}`);
}

async function main(): Promise<void> {
  const command = parseArguments(process.argv.slice(2));
  switch (command.verb) {
    case 'up':
      return bringUp(command.names);
    case 'down': {
      const stopped = await down(command.names);
      console.log(stopped.length === 0 ? 'nothing was running' : `stopped ${stopped.join(', ')}`);
      return;
    }
    case 'status':
      return show();
    case 'help':
      console.log(usage);
      return;
    default:
      throw new Error(`unhandled ${String(command satisfies never)}`);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
