/** From a command line to an exit code: parses, prepares the context, runs the command, reports its error. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { sluiceError } from '../base/errors.ts'
import type { OpenProject } from '../run/api.ts'
import type { CommandName, Context, GlobalOptions, Run } from './command.ts'
import { appendDebugLog } from './debug-log.ts'
import { foreseen } from './foresee.ts'
import { helpText } from './help.ts'
import { type Interruption, watchSignals } from './interruption.ts'
import { parseCommandLine } from './parse.ts'
import { errorJson, errorText } from './render/error.ts'
import { visible } from './render/text.ts'
import { openTerminal, type Terminal } from './terminal.ts'

/** What a command line needs of the process: a test gives its own. */
export interface Surroundings {
  readonly stdout: Writable
  readonly stderr: Writable
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  cwd(): string
  on(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  on(event: 'unhandledRejection', listener: (reason: unknown) => void): unknown
  off(event: 'SIGINT' | 'SIGTERM', listener: () => void): unknown
  exit(code: number): void
}

/** Opens a project: `run/project.ts` does, a test may do it otherwise. */
export type Opener = (
  root: string,
  options: {
    readonly environment?: string
    readonly problems?: 'refuse' | 'read'
    readonly warn?: (message: string) => void
  },
) => Promise<OpenProject>

const openForReal: Opener = async (root, options) => {
  const { openProject } = await import('../run/project.ts')
  return openProject(root, options)
}

/** Every command's function, imported when it is called. */
const functions: { readonly [N in CommandName]: () => Promise<{ readonly run: Run<N> }> } = {
  init: () => import('./commands/init.ts'),
  doctor: () => import('./commands/doctor.ts'),
  check: () => import('./commands/check.ts'),
  plan: () => import('./commands/plan.ts'),
  render: () => import('./commands/render.ts'),
  crawl: () => import('./commands/crawl.ts'),
  run: () => import('./commands/run.ts'),
  watch: () => import('./commands/watch.ts'),
  cdc: () => import('./commands/cdc.ts'),
  retry: () => import('./commands/retry.ts'),
  runs: () => import('./commands/runs.ts'),
  task: () => import('./commands/task.ts'),
  rollback: () => import('./commands/rollback.ts'),
  accept: () => import('./commands/accept.ts'),
  clean: () => import('./commands/clean.ts'),
  query: () => import('./commands/query.ts'),
  show: () => import('./commands/show.ts'),
  catalog: () => import('./commands/catalog.ts'),
  lineage: () => import('./commands/lineage.ts'),
  quality: () => import('./commands/quality.ts'),
  quarantine: () => import('./commands/quarantine.ts'),
  explain: () => import('./commands/explain.ts'),
  config: () => import('./commands/config.ts'),
}

/**
 * Runs a command line to its end and returns the exit code; never throws.
 *
 * @example process.exitCode = await execute(['check', '--json'], process)
 */
export async function execute(
  argv: readonly string[],
  process: Surroundings,
  open: Opener = openForReal,
): Promise<number> {
  const { stdout, stderr, stdin, env } = process
  // Before the line is understood, `--json` anywhere in it decides how its errors are reported.
  let terminal = openTerminal({ stdout, stderr, stdin, env, json: argv.includes('--json') })
  let root = process.cwd()
  let debug = argv.includes('--debug')
  let interruption: Interruption | undefined
  try {
    const parsed = parseCommandLine(argv)
    if (parsed.kind === 'help') {
      await terminal.out.write(helpText(parsed.command))
      return 0
    }
    if (parsed.kind === 'version') {
      await terminal.out.line(packageVersion())
      return 0
    }
    const { globals, command, input } = parsed
    debug = globals.debug
    root = resolve(process.cwd(), globals.folder)
    const { json, quiet, color, input: questions } = globals
    terminal = openTerminal({ stdout, stderr, stdin, env, json, quiet, color, input: questions })
    interruption = watchSignals(process, terminal)
    const context = makeContext({ globals, terminal, root, env, signal: interruption.signal, stdin, open })
    const { run } = (await functions[command]()) as { run: Run<never> }
    // A rejection that nobody awaits ends the command like any other error, instead of ending Node with a stack.
    const stray = new Promise<never>((_resolve, reject) => process.on('unhandledRejection', reject))
    const code = await Promise.race([run(context, input as never), stray])
    return interruption.code() ?? code ?? 0
  } catch (error) {
    return await report(error, { terminal, root, argv, debug, env, interrupted: interruption?.code() })
  } finally {
    interruption?.end()
  }
}

function makeContext(
  parts: Omit<Context, 'open' | 'openToRead' | 'openWithProblems' | 'confirm' | 'environment'> & {
    readonly open: Opener
  },
): Context {
  const { globals, terminal, root, env, signal, stdin, open } = parts
  const environment = environmentOf(globals, env)
  const warn = (message: string): void => {
    void terminal.err.line(`${terminal.err.paint('yellow', '!')} ${visible(message)}`)
  }
  const chosen = { warn, ...(environment === undefined ? {} : { environment: environment.name }) }
  return {
    globals,
    terminal,
    root,
    env,
    environment,
    stdin,
    signal,
    open: () => open(root, chosen),
    openWithProblems: () => open(root, { ...chosen, problems: 'read' }),
    async openToRead() {
      const project = await open(root, { ...chosen, problems: 'read' })
      const count = project.problems.filter(({ severity }) => severity === 'error').length
      if (count > 0)
        await terminal.err.line(
          `${terminal.err.paint('yellow', '!')} The definition has ${count} problem${count === 1 ? '' : 's'}. This is what is committed; what is wrong says: sluice check`,
        )
      return project
    },
    confirm: (question) => confirm(question, globals, terminal, stdin),
  }
}

/**
 * The environment that a command line asks for, and where it does.
 *
 * @example environmentOf({ env: undefined }, { SLUICE_ENV: 'prod' }) // { name: 'prod', source: 'SLUICE_ENV' }
 */
export function environmentOf(
  globals: Pick<GlobalOptions, 'env'>,
  env: Context['env'],
): { readonly name: string; readonly source: string } | undefined {
  if (globals.env !== undefined) return { name: globals.env, source: '--env' }
  const name = env['SLUICE_ENV']
  return name === undefined || name === '' ? undefined : { name, source: 'SLUICE_ENV' }
}

async function confirm(
  question: string,
  globals: GlobalOptions,
  terminal: Terminal,
  stdin: Surroundings['stdin'],
): Promise<boolean> {
  if (globals.yes) return true
  if (!terminal.interactive) throw sluiceError('Cli.NeedsConfirmation', { what: `"${question}"`, flag: '--yes' })
  const { createInterface } = await import('node:readline/promises')
  const prompt = createInterface({ input: stdin })
  try {
    await terminal.err.write(`${question} [y/N] `)
    return /^(y|yes)$/i.test((await prompt.question('')).trim())
  } finally {
    prompt.close()
  }
}

interface Situation {
  readonly terminal: Terminal
  readonly root: string
  readonly argv: readonly string[]
  readonly debug: boolean
  readonly env: Context['env']
  readonly interrupted: number | undefined
}

async function report(thrown: unknown, { terminal, root, argv, debug, env, interrupted }: Situation): Promise<number> {
  if (interrupted !== undefined) {
    await terminal.err.line('Stopped. Nothing half-done was published; what is committed is kept.')
    return interrupted
  }
  const error = foreseen(thrown)
  const logged =
    error.exit === 2 && error.code.startsWith('SLU11') ? undefined : appendDebugLog(root, argv, thrown, env)
  if (terminal.json) await terminal.err.line(JSON.stringify(errorJson(error)))
  else await terminal.err.write(errorText(error, { channel: terminal.err, root, log: logged }))
  if (debug) await terminal.err.line(thrown instanceof Error ? (thrown.stack ?? '') : String(thrown))
  return error.exit
}

/** @example packageVersion() // '0.1.0' */
export function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version
}
