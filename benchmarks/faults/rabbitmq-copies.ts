import type { Broker, BrokerNode } from '@duobus/brokers';
import { type Copies, copiedOn } from './copies.ts';
import type { Setting } from './load.ts';
import { subscriber } from './stage.ts';

interface Listed {
  readonly name: string;
  readonly type: string;
  readonly leader: string;
  readonly members: readonly string[];
  readonly online: readonly string[];
}

interface QuorumMember {
  readonly 'Node Name': string;
  readonly 'Commit Index': number;
  readonly 'Last Written': number;
}

interface StreamMember {
  readonly node: string;
  readonly offset: number;
  readonly committed_offset: number;
}

/** By the broker's own commands: `nodeN@localhost` is node N. What is behind is what lacks a member, or, of the one that
 *  is asked about, whose members have written less than the leader had committed a moment ago. */
export function rabbitmqCopies(broker: Broker, { kind, topicName }: Setting): Copies {
  const prefix =
    kind === 'data'
      ? `duobus.data:${topicName}:partition:`
      : `duobus.event:${topicName}:${subscriber}:main`;
  const ask = async <T>(...args: readonly string[]): Promise<readonly T[]> =>
    JSON.parse(await tell(broker.nodes, [...args, '--formatter', 'json'])) as readonly T[];

  async function copied(): Promise<readonly Listed[]> {
    const columns = ['name', 'type', 'leader', 'members', 'online'];
    const listed = await ask<Listed>('list_queues', ...columns);
    return listed.filter(({ type }) => type !== 'classic');
  }

  async function written({ name, type }: Listed): Promise<readonly Written[]> {
    if (type === 'stream') {
      const tool = ['--script-name', 'rabbitmq-streams', 'stream_status', name];
      return (await ask<StreamMember>(...tool)).map((member) => ({
        node: member.node,
        committed: member.committed_offset,
        written: member.offset,
      }));
    }
    const tool = ['--script-name', 'rabbitmq-queues', 'quorum_status', name];
    return (await ask<QuorumMember>(...tool)).map((member) => ({
      node: member['Node Name'],
      committed: member['Commit Index'],
      written: member['Last Written'],
    }));
  }

  return {
    async leaders() {
      const listed = (await copied()).filter(({ name }) => name.startsWith(prefix));
      return listed.flatMap(({ name, leader }) =>
        copiedOn(broker.nodes, Number(/^node(\d)@/.exec(leader)?.[1]) - 1, name),
      );
    },
    async behind(busy) {
      const listed = await copied();
      const absent = listed.filter(({ online }) => online.length < broker.nodes.length);
      if (absent.length > 0)
        return absent.map(({ name, online }) => `${name}: online on ${online.join(', ')}`);
      const late: string[] = [];
      for (const queue of listed.filter(({ name }) => name === busy)) {
        const committed = Math.max(...(await written(queue)).map((member) => member.committed));
        for (const member of await written(queue))
          if (!(member.written >= committed))
            late.push(`${queue.name}: ${member.node} has ${member.written} of ${committed}`);
      }
      return late;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Written {
  readonly node: string;
  readonly committed: number;
  readonly written: number;
}

/** Tells the first node that answers. */
async function tell(nodes: readonly BrokerNode[], args: readonly string[]): Promise<string> {
  const errors: unknown[] = [];
  for (const node of nodes) {
    try {
      return await node.ctl('--quiet', ...args);
    } catch (error) {
      errors.push(error);
    }
  }
  throw new AggregateError(errors, `no node of RabbitMQ answers to ${args.join(' ')}`);
}
