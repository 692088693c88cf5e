import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { kafkaReady } from './kafka-handshake.ts';
import { kafkaEndpoints, kafkaProperties } from './kafka-properties.ts';
import { type StartOptions, users } from './options.ts';
import { ensureFolder } from './paths.ts';
import type { Ports } from './ports.ts';
import { launch } from './processes.ts';
import type { Server } from './server.ts';
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

export function kafkaServer(
  libraries: string,
  folder: string,
  ports: Ports,
  options: StartOptions,
): Server {
  const classPath = ['-cp', join(libraries, '*')];
  const logging = `-Dlog4j2.configurationFile=${join(folder, 'log4j2.xml')}`;
  const properties = join(folder, 'server.properties');
  const endpoints = kafkaEndpoints(ports, options);
  return {
    endpoints,
    ca: options.tls === true ? join(folder, 'tls/ca.pem') : undefined,
    async prepare() {
      ensureFolder(join(folder, 'data'));
      if (options.tls === true) await makeCertificates(join(folder, 'tls'));
      writeFileSync(join(folder, 'log4j2.xml'), log4j);
      writeFileSync(properties, kafkaProperties(folder, ports, options));
    },
    async launch() {
      if (!existsSync(join(folder, 'data/meta.properties'))) {
        const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64url');
        const scram = options.sasl === true ? scramArguments() : [];
        await run('java', [
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
      const memory = ['-Xms256m', '-Xmx512m'];
      return [
        launch('java', [...memory, ...classPath, logging, 'kafka.Kafka', properties], {
          logFile: join(folder, 'server.log'),
          cwd: folder,
        }),
      ];
    },
    async handshake() {
      await kafkaReady(endpoints.plain);
      return versionOf(libraries);
    },
    ctl: ([tool = '', ...args]) => run('java', [...classPath, logging, tool, ...args]),
  };
}
