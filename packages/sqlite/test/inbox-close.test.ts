import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nothing, turn, useFolder, write } from './support/folder.ts';

describe('closing sqliteInbox', () => {
  const folder = useFolder();
  const wanted = { code: 'DUOBUS_CLOSED' };

  it('lets what runs end, and refuses what waits and what comes', async () => {
    const inbox = folder.inbox('closing');
    let end = (): void => undefined;
    const running = inbox.transaction('1', async (tx) => {
      await new Promise<void>((resolve) => (end = resolve));
      write(tx, '1');
    });
    const waiting = assert.rejects(
      inbox.transaction('2', () => assert.fail('runs')),
      wanted,
    );
    await turn();
    const closing = inbox.close();
    await waiting;
    await assert.rejects(inbox.begin('3', 1000), wanted);
    end();
    assert.equal((await running).result, 'new');
    await Promise.all([closing, inbox.close()]);
    await assert.rejects(inbox.transaction('4', nothing), wanted);
    assert.deepEqual(folder.effects('closing'), ['1']);
  });

  it('is refused to a handler, which it would wait for, and possible afterwards', async () => {
    const inbox = folder.inbox('inside');
    await inbox.transaction('k', () => assert.rejects(inbox.close(), TypeError));
    await inbox.close();
  });

  it('happens at the end of a block, and before the file has been opened', async () => {
    const inbox = folder.inbox('block');
    {
      await using same = inbox;
      assert.equal(same, inbox);
    }
    await assert.rejects(inbox.begin('k', 1000), wanted);
  });

  it('leaves nothing behind that keeps the process', async () => {
    const program = fileURLToPath(new URL('./support/use-and-close.ts', import.meta.url));
    const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions'));
    const child = spawn(process.execPath, [...conditions, program, folder.path('program')], {
      stdio: 'inherit',
      timeout: 30_000,
    });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});
