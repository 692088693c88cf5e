import { canInstall } from './apt.ts';
import { onPath } from './shell.ts';

/** A way to get a server without installing it. */
export interface Fetching {
  /** Why it cannot be gone here; undefined: it can. */
  blocked(): string | undefined;
  /** What a machine needs for it. */
  readonly needs: string;
}

export const fromDebian: Fetching = {
  blocked() {
    if (process.getuid?.() !== 0) return 'that takes root (chroot)';
    return onPath('apt-get') === undefined ? 'this is not a Debian' : undefined;
  },
  needs: 'Debian 12 or newer as root (it is put into .brokers, nothing is installed)',
};

export const fromMaven: Fetching = {
  blocked() {
    const there = onPath('java') !== undefined && onPath('mvn') !== undefined;
    return there || canInstall() ? undefined : 'java or mvn is missing';
  },
  needs: 'java and mvn (it is put into .brokers, nothing is installed)',
};

export const fromPip: Fetching = {
  blocked() {
    return onPath('python3') !== undefined || canInstall() ? undefined : 'python3 is missing';
  },
  needs: 'python3, 3.10 or newer, with venv (it is put into .brokers, nothing is installed)',
};
