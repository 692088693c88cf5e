/** One option of an interface, as its JSDoc describes it. */
export interface DocumentedOption {
  readonly name: string;
  readonly required: boolean;
  readonly text: string;
}

const member = /\/\*\*([\s\S]*?)\*\/\s*readonly (\w+)(\??):/g;
const anyMember = /^ {2}readonly (\w+)\??:/gm;

/** Reads the options of an interface from its source: the JSDoc there is what an editor shows, and what is true. */
export function documentedOptions(source: string, name: string): readonly DocumentedOption[] {
  const body = interfaceBody(source, name);
  const options = [...body.matchAll(member)].map(([, comment = '', option = '', mark]) => ({
    name: option,
    required: mark !== '?',
    text: comment.replaceAll(/\s*\n\s*\*\s*/g, ' ').trim(),
  }));
  const known = new Set(options.map((option) => option.name));
  const undocumented = [...body.matchAll(anyMember)]
    .map(([, option = '']) => option)
    .filter((option) => !known.has(option));
  if (undocumented.length > 0)
    throw new Error(`interface ${name}: no JSDoc for ${undocumented.join(', ')}`);
  return options;
}

/** Names of interfaces of options that others are made of or lead to, as far as their names say so. */
export function mentionedOptions(source: string, name: string): readonly string[] {
  const found = interfaceBody(source, name).matchAll(
    /\b[A-Z]\w*(?:Options|Sasl|Credentials|Retention)\b/g,
  );
  return [...new Set([...found].map(([type]) => type))];
}

/** A table with a line for each option. */
export function optionsTable(options: readonly DocumentedOption[]): string {
  const lines = options.map(
    ({ name, required, text }) =>
      `| \`${name}\`${required ? ' (required)' : ''} | ${escape(text)} |`,
  );
  return ['| Option | Meaning |', '|---|---|', ...lines].join('\n');
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll(/\{@link (\w+)\}/g, '`$1`');
}

function interfaceBody(source: string, name: string): string {
  const start = new RegExp(`export interface ${name}\\b[^{]*\\{`).exec(source);
  if (start === null) throw new Error(`there is no exported interface ${name}`);
  const from = start.index + start[0].length;
  let depth = 1;
  let at = from;
  while (depth > 0 && at < source.length) {
    const char = source[at];
    if (char === '{') depth += 1;
    if (char === '}') depth -= 1;
    at += 1;
  }
  return source.slice(from, at - 1);
}
