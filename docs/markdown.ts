/** What a page takes from elsewhere: code from snippets, tables from what the code and the suite say. */
export interface Sources {
  /** The code of a region, e.g. 'first-bus#connect'. Throws for one that does not exist. */
  snippet(name: string): string;
  /** The text of a generated part, e.g. 'guarantees'. Throws for one that does not exist. */
  generated(name: string): string;
}

const snippetBlock = /(<!-- snippet: (\S+) -->\n)```ts\n[\s\S]*?```/g;
const generatedPart = /(<!-- generated: (\S+(?: \S+)*) -->\n)[\s\S]*?(<!-- \/generated -->)/g;
const anyBlock = /(.*)\n```ts\n/g;

/** The page with everything it takes from elsewhere brought up to date. */
export function render(page: string, sources: Sources): string {
  return page
    .replaceAll(
      snippetBlock,
      (_, marker: string, name: string) => `${marker}\`\`\`ts\n${sources.snippet(name)}\n\`\`\``,
    )
    .replaceAll(
      generatedPart,
      (_, marker: string, name: string, end: string) =>
        `${marker}\n${sources.generated(name)}\n\n${end}`,
    );
}

/** Lines before TypeScript blocks that no snippet stands for: such blocks are not run by any test. */
export function unmarkedBlocks(page: string): string[] {
  return [...page.matchAll(anyBlock)]
    .map(([, before = '']) => before)
    .filter((line) => !line.startsWith('<!-- snippet: '));
}

const regionLine = /^\s*\/\/ #(region|endregion) (\S+)\s*$/;

/** The regions of a snippet file, without common indentation. Regions may overlap. */
export function regions(source: string): ReadonlyMap<string, string> {
  const open = new Map<string, string[]>();
  const closed = new Map<string, string>();
  for (const line of source.split('\n')) {
    const [, edge, name = ''] = regionLine.exec(line) ?? [];
    if (edge === 'region') open.set(name, []);
    else if (edge === 'endregion') {
      closed.set(name, dedent(open.get(name) ?? []));
      open.delete(name);
    } else for (const lines of open.values()) lines.push(line);
  }
  if (open.size > 0) throw new Error(`regions without an end: ${[...open.keys()].join(', ')}`);
  return closed;
}

function dedent(lines: readonly string[]): string {
  const indents = lines
    .filter((line) => line.trim() !== '')
    .map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents);
  return lines
    .map((line) => line.slice(indent).trimEnd())
    .join('\n')
    .trim();
}
