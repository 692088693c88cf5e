import { composeFile } from './paths.ts';
import { allocatePorts } from './ports.ts';
import { products } from './products.ts';
import { announce, onPath, run, succeeds } from './shell.ts';
import type { BrokerSpec } from './spec.ts';

let answers: Promise<boolean> | undefined;

/** The command is not enough: an engine has to answer it. */
export function dockerAnswers(): Promise<boolean> {
  answers ??=
    onPath('docker') === undefined
      ? Promise.resolve(false)
      : succeeds('docker', ['compose', 'version']).then(
          async (compose) => compose && (await succeeds('docker', ['info'])),
        );
  return answers;
}

const service = (name: string): string => name.replace('@', '-');
const compose = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> =>
  run('docker', ['compose', '-f', composeFile, '-p', 'duobus-test', ...args], {
    env: { ...process.env, DUOBUS_PORT: '0', ...env },
  });

/** Starts the service of that name and resolves to its URL. */
export async function dockerUp(spec: BrokerSpec): Promise<string> {
  const { dockerUrl: url } = products[spec.product];
  if (url === undefined) throw new Error(`compose.yaml has no ${spec.name}`);
  const { port = 0 } = await allocatePorts(spec.name, ['port']);
  announce(`docker compose up ${service(spec.name)}`);
  await compose(['up', '--detach', service(spec.name)], { DUOBUS_PORT: String(port) });
  return url(port);
}

export async function dockerDown(name: string): Promise<void> {
  await compose(['rm', '--stop', '--force', '--volumes', service(name)]);
}
