/**
 * Where the process starts and ends: the only place that sets an exit code.
 *
 * Imports next to nothing at first, so that `sluice --help` costs little more than an empty Node; each command brings in what it needs.
 */
import { writeSync } from 'node:fs'

/**
 * Runs a command line and sets the process's exit code.
 *
 * @example await main(process.argv.slice(2))
 */
export async function main(argv: readonly string[]): Promise<void> {
  const [only] = argv
  if (argv.length === 0 || (argv.length === 1 && (only === '--help' || only === '-h' || only === 'help'))) {
    const { helpText } = await import('./help.ts')
    writeOut(helpText())
    return
  }
  // The standard output is the command's own, and may be data: what a definition or a code model logs is for people.
  Object.assign(console, { log: console.error, info: console.error, debug: console.error })
  const { execute } = await import('./execute.ts')
  process.exitCode = await execute(argv, process)
  // Nothing that was started may keep the process: a driver's handle, a timer, a question that nobody answered.
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))))
  process.exit()
}

/**
 * Writes to the standard output without the streams behind `process.stdout`, which take a tenth of Node's own start to load. What a full pipe
 * refuses goes through them; that nobody reads is no error.
 */
function writeOut(text: string): void {
  const bytes = Buffer.from(text)
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(1, bytes, written)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EAGAIN') process.stdout.write(bytes.subarray(written))
    else if (code !== 'EPIPE') process.exitCode = 3
  }
}
