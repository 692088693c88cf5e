import { withLock } from './lock.ts';
import { announce, onPath, run } from './shell.ts';

const quiet = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
let updated = false;

async function update(): Promise<void> {
  if (updated) return;
  announce('apt-get update');
  await run('apt-get', ['update', '-qq'], { env: quiet });
  updated = true;
}

/** Tools, never servers: a server installed on the machine would start there. */
export async function ensurePackage(
  what: string,
  aptPackage: string,
  isThere: () => Promise<boolean>,
): Promise<void> {
  if (await isThere()) return;
  await withLock('apt', async () => {
    if (await isThere()) return;
    if (!canInstall()) {
      throw new Error(`${what} is missing; install it (Debian: apt-get install ${aptPackage})`);
    }
    await update();
    announce(`apt-get install ${aptPackage} (for ${what})`);
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', aptPackage], {
      env: quiet,
    });
    if (!(await isThere()))
      throw new Error(`${aptPackage} was installed, ${what} is still missing`);
  });
}

export const canInstall = (): boolean =>
  onPath('apt-get') !== undefined && process.getuid?.() === 0;

export const ensureTool = (command: string, aptPackage: string): Promise<void> =>
  ensurePackage(command, aptPackage, async () => onPath(command) !== undefined);

/** The mirror this machine is set up with; asked from apt, since source files may be disabled. */
export async function debianMirror(): Promise<string> {
  const ask = async (): Promise<string | undefined> => {
    const targets = await run('apt-get', [
      'indextargets',
      '--format',
      '$(LABEL) $(CODENAME) $(REPO_URI)',
      'Created-By: Packages',
    ]);
    const lines = targets.split('\n').map((line) => line.split(' '));
    // security and update archives carry a suffix in one of the two, the main archive in neither
    return lines.find(
      ([label, codename]) => label === 'Debian' && /^[a-z]+$/.test(codename ?? ''),
    )?.[2];
  };
  let mirror = await ask();
  if (mirror === undefined) {
    await update();
    mirror = await ask();
  }
  if (mirror === undefined)
    throw new Error('apt knows no Debian mirror; is this machine a Debian?');
  return mirror;
}
