/** An address without what must stay secret: user and password, and the values of its parameters. */
export function redact(url: string): string {
  const scheme = /^[a-z][a-z0-9+.-]*:(?:\/\/)?/i.exec(url)?.[0];
  if (scheme === undefined) return '(an address without a scheme)';
  const rest = url.slice(scheme.length);
  // Passwords are often not encoded as they should be: everything up to the last @ may belong to one.
  const at = rest.lastIndexOf('@');
  const place = rest.slice(at + 1).replace(/([?&#;][^=&#;]*=)[^&#;]*/g, '$1***');
  return `${scheme}${at === -1 ? '' : '***@'}${place}`;
}
