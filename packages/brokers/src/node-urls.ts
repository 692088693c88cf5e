/** `amqp://user:password@a:1,b:2/v` names nodes of a cluster that clients take one at a time: a URL for each. */
export function nodeUrls(url: string): readonly [string, ...string[]] {
  const match = /^([^:]*:\/\/(?:[^@/]*@)?)([^/?#]*)(.*)$/.exec(url);
  if (match === null) return [url];
  const [, before = '', hosts = '', after = ''] = match;
  const [first = '', ...others] = hosts.split(',');
  const of = (host: string): string => `${before}${host}${after}`;
  return [of(first), ...others.map(of)];
}
