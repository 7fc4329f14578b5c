/**
 * Where the process starts and ends: the only place that sets an exit code.
 *
 * Imports nothing at first, so that `sluice --help` costs little more than an empty Node; each command brings in what it needs.
 */

/**
 * Runs a command line and sets the process's exit code.
 *
 * @example await main(process.argv.slice(2))
 */
export async function main(argv: readonly string[]): Promise<void> {
  const [only] = argv
  if (argv.length === 0 || (argv.length === 1 && (only === '--help' || only === '-h' || only === 'help'))) {
    const { helpText } = await import('./help.ts')
    process.stdout.write(helpText())
    return
  }
  const { execute } = await import('./execute.ts')
  process.exitCode = await execute(argv, process)
  // Nothing that was started may keep the process: a driver's handle, a timer, a question that nobody answered.
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))))
  process.exit()
}
