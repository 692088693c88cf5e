export interface Command<Arguments> {
  /** Begins what it says of errors. */
  readonly name: string;
  readonly usage: string;
  /** Throws a sentence for arguments that make no sense. */
  readonly read: (argv: string[]) => Arguments;
  /** Resolves to the exit code. */
  readonly main: (args: Arguments) => Promise<number>;
}

/** Runs it. Exit code 2: with arguments that make no sense, or when it could not do its work. */
export async function commandLine<Arguments extends { readonly help: boolean }>({
  name,
  usage,
  read,
  main,
}: Command<Arguments>): Promise<void> {
  const failed = (error: unknown, more = ''): void => {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}${more}`);
    process.exitCode = 2;
  };
  let args: Arguments;
  try {
    args = read(process.argv.slice(2));
  } catch (error) {
    failed(error, `\n\n${usage}`);
    return;
  }
  try {
    if (args.help) console.log(usage);
    else process.exitCode = await main(args);
  } catch (error) {
    failed(error);
  }
}
