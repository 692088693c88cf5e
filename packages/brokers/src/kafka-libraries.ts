import { existsSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureTool } from './apt.ts';
import { withLock } from './lock.ts';
import { cache, ensureFolder } from './paths.ts';
import { announce, onPath, run } from './shell.ts';
import { kafkaVersion } from './spec.ts';

// log4j-slf4j-impl binds slf4j 1.7, which is what Kafka logs through
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>duobus</groupId><artifactId>kafka-libraries</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kafkaVersion}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version></dependency>
  </dependencies>
</project>
`;

/** The folder with Kafka's jars, from Maven's own repository settings. */
export async function fetchKafka(): Promise<string> {
  await ensureTool('java', 'default-jre-headless');
  const libraries = cache(`kafka-${kafkaVersion}`);
  if (existsSync(libraries)) return libraries;
  return withLock('kafka-libraries', async () => {
    if (existsSync(libraries)) return libraries;
    await ensureTool('mvn', 'maven');
    const building = `${libraries}.building`;
    rmSync(building, { recursive: true, force: true });
    writeFileSync(join(ensureFolder(building), 'pom.xml'), pom);
    announce(`mvn: Kafka ${kafkaVersion} into .brokers/cache (about 10 s, 44 MB)`);
    await run(
      'mvn',
      [
        '-q',
        '-B',
        'dependency:copy-dependencies',
        '-DoutputDirectory=libs',
        '-DincludeScope=runtime',
      ],
      { cwd: building },
    );
    renameSync(join(building, 'libs'), libraries);
    rmSync(building, { recursive: true, force: true });
    return libraries;
  });
}

/** The Kafka whose scripts are on PATH: its jars lie beside them. */
export function kafkaOnPath(): { libraries: string; version: string } | undefined {
  const script = onPath('kafka-server-start.sh') ?? onPath('kafka-server-start');
  if (script === undefined) return undefined;
  const libraries = join(dirname(dirname(realpathSync(script))), 'libs');
  const jars = existsSync(libraries) ? readdirSync(libraries) : [];
  const version = jars.map((jar) => /^kafka_2\.\d+-([\d.]+)\.jar$/.exec(jar)?.[1]).find(Boolean);
  return version === undefined ? undefined : { libraries, version };
}
