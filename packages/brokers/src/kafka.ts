import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { kafkaHandshake, kafkaReady } from './kafka-handshake.ts';
import { fetchKafka, kafkaOnPath } from './kafka-libraries.ts';
import { kafkaEndpoints, kafkaPorts, kafkaProperties, type Quorum } from './kafka-properties.ts';
import { type StartOptions, users } from './options.ts';
import { ensureFolder } from './paths.ts';
import type { Ports } from './ports.ts';
import { launch } from './processes.ts';
import { alone, type Assembly, type Server, type Site } from './server.ts';
import { run } from './shell.ts';

const log4j = `<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
`;

function scramArguments(): readonly string[] {
  return users
    .filter(({ mechanism }) => mechanism !== 'PLAIN')
    .flatMap(({ mechanism, username, password }) => [
      '--add-scram',
      `${mechanism}=[name=${username},password=${password}]`,
    ]);
}

function versionOf(libraries: string): string {
  const jar = readdirSync(libraries).find((name) => /^kafka_2\.\d+-[\d.]+\.jar$/.test(name));
  return jar?.replace(/^kafka_2\.\d+-|\.jar$/g, '') ?? 'unknown';
}

/** What the nodes of a cluster have to agree on. */
export interface KafkaMembership extends Quorum {
  readonly clusterId: string;
}

export const newClusterId = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');

export function kafkaServer(
  libraries: string,
  folder: string,
  ports: Ports,
  options: StartOptions,
  membership?: KafkaMembership,
): Server {
  const classPath = ['-cp', join(libraries, '*')];
  const logging = `-Dlog4j2.configurationFile=${join(folder, 'log4j2.xml')}`;
  const properties = join(folder, 'server.properties');
  const endpoints = kafkaEndpoints(ports, options);
  return {
    endpoints,
    ca: options.tls === true ? join(folder, 'tls/ca.pem') : undefined,
    logFile: join(folder, 'server.log'),
    async prepare() {
      ensureFolder(join(folder, 'data'));
      if (options.tls === true) await makeCertificates(join(folder, 'tls'));
      writeFileSync(join(folder, 'log4j2.xml'), log4j);
      writeFileSync(properties, kafkaProperties(folder, ports, options, membership));
    },
    async launch() {
      if (!existsSync(join(folder, 'data/meta.properties'))) {
        const id = membership?.clusterId ?? newClusterId();
        const scram = options.sasl === true ? scramArguments() : [];
        await run('java', [
          '-XX:TieredStopAtLevel=1',
          ...classPath,
          logging,
          'kafka.tools.StorageTool',
          'format',
          `--cluster-id=${id}`, // an id may begin with a dash
          '-c',
          properties,
          ...scram,
        ]);
      }
      // three at once on two cores are up sooner when little is compiled
      const machine =
        membership === undefined ? [] : ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
      const memory = ['-Xms256m', '-Xmx512m', ...machine];
      return [
        launch('java', [...memory, ...classPath, logging, 'kafka.Kafka', properties], {
          logFile: join(folder, 'server.log'),
          cwd: folder,
        }),
      ];
    },
    async handshake() {
      if (membership === undefined) await kafkaReady(endpoints.plain);
      else await kafkaHandshake(endpoints.plain, [membership.id]);
      return versionOf(libraries);
    },
    ctl: ([tool = '', ...args]) => run('java', [...classPath, logging, tool, ...args]),
  };
}

export async function kafkaLibraries({ recipe }: Site): Promise<string> {
  const libraries = recipe === 'path' ? kafkaOnPath()?.libraries : await fetchKafka();
  if (libraries === undefined) throw new Error('kafka-server-start.sh has left PATH');
  return libraries;
}

export async function assembleKafka(site: Site): Promise<Assembly> {
  const libraries = await kafkaLibraries(site);
  const ports = await site.allocate(kafkaPorts);
  return alone(kafkaServer(libraries, site.folder, ports, site.options));
}
