import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  type AdapterModule,
  type Bus,
  BusError,
  connect,
  type Handle,
  registerAdapter,
} from '@duobus/core';
import { handed, topicOf } from './document.ts';
import type { ConsumeSpec, Message, Request } from './protocol.ts';
import { publishAll } from './publish-all.ts';
import { play } from './script.ts';

let bus: Bus | undefined;
let deliveries = 0;
const handles = new Map<string, Handle>();

function tell(message: Message): void {
  // The parent may be gone; then nobody is left to be told.
  if (process.connected) process.send?.(message);
}

function connected(): Bus {
  if (bus === undefined) throw new Error('not connected');
  return bus;
}

async function importAdapter(url: string, adapter: string): Promise<void> {
  const path = createRequire(join(process.cwd(), 'package.json')).resolve(adapter);
  const module = (await import(pathToFileURL(path).href)) as AdapterModule;
  registerAdapter(url.slice(0, url.indexOf(':')), module);
}

async function consume(id: string, spec: ConsumeSpec): Promise<void> {
  const { kind, topic, name, options } = spec;
  const half = kind === 'event' ? connected().events : connected().data;
  const run = play(spec);
  const handle = await half.subscribe(
    topicOf(topic),
    name,
    async (document, delivery) => {
      deliveries += 1;
      const number = deliveries;
      tell({ what: 'handed', consumer: id, delivery: number, handed: handed(document, delivery) });
      const end = (type: 'ok' | 'fail' | 'info'): void =>
        tell({ what: 'ended', consumer: id, delivery: number, type });
      try {
        await run(document, delivery);
        end('ok');
      } catch (error) {
        end(delivery.signal.aborted ? 'info' : 'fail');
        throw error;
      }
    },
    options,
  );
  handles.set(id, handle);
}

async function obey(request: Request): Promise<unknown> {
  switch (request.do) {
    case 'connect': {
      const { url, adapter, adapterOptions, options } = request;
      if (adapter !== undefined) await importAdapter(url, adapter);
      bus = await connect(
        adapterOptions === undefined ? url : { url, options: adapterOptions },
        options,
      );
      return true;
    }
    case 'consume':
      return consume(request.consumer, request.spec);
    case 'publish':
      return publishAll(connected(), request.kind, request.topic, request.documents);
    case 'reset':
      return connected().data.reset(topicOf(request.topic), request.group, request.to, {
        graceMs: request.graceMs,
      });
    case 'close':
      return handles.get(request.consumer)?.close();
    case 'answer':
      return true;
    case 'end':
      return connected().close();
    default:
      throw new Error(`unknown request ${JSON.stringify(request)}`);
  }
}

async function answer(request: Request): Promise<void> {
  const { call } = request;
  try {
    tell({ what: 'reply', call, value: await obey(request) });
  } catch (error) {
    const code = BusError.is(error) ? { code: error.code } : {};
    tell({
      what: 'reply',
      call,
      error: { message: error instanceof Error ? error.message : String(error), ...code },
    });
  }
  // Nothing but the channel to the parent may keep this process: it has to end by itself.
  if (request.do === 'end') process.disconnect();
}

process.on('message', (request) => void answer(request as Request));
// Without its parent a consumer must not go on.
process.on('disconnect', () => {
  if (bus !== undefined) void bus.close({ graceMs: 0 });
});
