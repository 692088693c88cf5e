import { globSync, readFileSync } from 'node:fs';

const cap = 400;
const files = globSync(['{packages,adapters}/*/src/**/*.ts', 'conformance/src/**/*.ts']);
const tooLong = files
  .map((file) => ({ file, lines: readFileSync(file, 'utf8').trimEnd().split('\n').length }))
  .filter(({ lines }) => lines > cap);

for (const { file, lines } of tooLong) {
  console.error(`${file}: ${lines} lines, the cap is ${cap}: split it by concern`);
}
process.exitCode = tooLong.length > 0 ? 1 : 0;
