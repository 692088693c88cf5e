import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { regions, render, unmarkedBlocks } from '../markdown.ts';

const sources = {
  snippet: (name: string): string => `code of ${name}`,
  generated: (name: string): string => `table of ${name}`,
};

describe('render', () => {
  it('puts snippets and generated parts in place of what was there', () => {
    const page =
      'a\n<!-- snippet: x#y -->\n```ts\nold\n```\nb\n<!-- generated: t one -->\nold\n<!-- /generated -->\nc\n';
    assert.equal(
      render(page, sources),
      'a\n<!-- snippet: x#y -->\n```ts\ncode of x#y\n```\nb\n<!-- generated: t one -->\n\ntable of t one\n\n<!-- /generated -->\nc\n',
    );
  });

  it('changes nothing the second time', () => {
    const once = render(
      '<!-- snippet: x#y -->\n```ts\n```\n<!-- generated: t -->\n<!-- /generated -->\n',
      sources,
    );
    assert.equal(render(once, sources), once);
  });

  it('takes code literally, whatever it holds', () => {
    const page = '<!-- snippet: x#y -->\n```ts\n```\n';
    assert.match(render(page, { ...sources, snippet: () => "'$1 $& $$'" }), /'\$1 \$& \$\$'/);
  });
});

describe('unmarkedBlocks', () => {
  it('finds TypeScript that no snippet stands for', () => {
    const page = '<!-- snippet: x#y -->\n```ts\n1\n```\nLook:\n```ts\n2\n```\n```sh\nnpm\n```\n';
    assert.deepEqual(unmarkedBlocks(page), ['Look:']);
  });
});

describe('regions', () => {
  it('cuts out regions without their indentation, nested ones too', () => {
    const source =
      '// #region a\n1;\n  // #region b\n  {\n    2;\n  }\n  // #endregion b\n// #endregion a\n3;';
    assert.deepEqual(Object.fromEntries(regions(source)), {
      a: '1;\n  {\n    2;\n  }',
      b: '{\n  2;\n}',
    });
  });

  it('refuses a region without an end', () => {
    assert.throws(() => regions('// #region a\n'), /regions without an end: a/);
  });
});
