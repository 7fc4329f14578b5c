/**
 * Evaluates what a user wrote, so that whatever it does comes back as its value or as an error with a name: it may print, exit, hang, listen to the
 * process or leave a rejection behind, and no command ends, waits or answers otherwise because of it.
 */
import vm from 'node:vm'
import { Worker } from 'node:worker_threads'
import { sluiceError } from '../../base/errors.ts'

/** How long a file may take, and what it could do. */
export interface Containment {
  /** As it is named in an error. */
  readonly file: string
  readonly limitMs: number
  /** Whether it can do nothing but compute: its text names nothing that leads out of it. */
  readonly isPlain: boolean
}

/**
 * Runs some work of the user's.
 *
 * @example const value = await contained(() => evaluate(file), { file: 'pipeline.ts', limitMs: 15_000, isPlain: false })
 * @throws Definition.FileMisbehaves for an exit, an end that does not come, and a rejection or an error that nothing catches
 */
export async function contained<T>(work: () => Promise<T>, options: Containment): Promise<T> {
  if (options.isPlain) return await within(work, options)
  const { file, limitMs } = options
  const misbehaves = (what: string): Error => sluiceError('Definition.FileMisbehaves', { file, what })
  let first: Error | undefined
  const tell = (what: string): void => {
    first ??= misbehaves(what)
  }
  const restore = guardProcess(tell)
  const watchdog = startWatchdog(limitMs)
  let timer: NodeJS.Timeout | undefined
  try {
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(misbehaves(endless(limitMs))), limitMs)
    })
    const value = await Promise.race([within(work, options), late])
    // What it left behind shows when Node is idle: a rejection, an exit that was only asked for later.
    for (let turn = 0; turn < 2; turn++) await new Promise((done) => setTimeout(done))
    if (first !== undefined) throw first
    return value
  } catch (error) {
    throw first ?? error
  } finally {
    clearTimeout(timer)
    restore()
    await watchdog.terminate()
  }
}

const endless = (limitMs: number): string => `has not come to its end after ${Math.round(limitMs / 1000)} seconds`

/** Everything that runs before the first wait is stopped by the engine of JavaScript itself. */
async function within<T>(work: () => Promise<T>, { file, limitMs }: Containment): Promise<T> {
  const call = vm.runInThisContext('(work) => work()') as (work: () => Promise<T>) => Promise<T>
  const key = Symbol.for('sluice.contained')
  const scope = globalThis as { [key]?: () => Promise<T> }
  scope[key] = () => call(work)
  try {
    return await (vm.runInThisContext("globalThis[Symbol.for('sluice.contained')]()", {
      timeout: limitMs,
    }) as Promise<T>)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw sluiceError('Definition.FileMisbehaves', { file, what: endless(limitMs) })
  } finally {
    delete scope[key]
  }
}

/** Ends a loop that begins after a wait, from beside: nothing on the thread of the loop could. */
function startWatchdog(limitMs: number): Worker {
  const watchdog = new Worker(
    `const { Session } = require('node:inspector')
     const session = new Session()
     session.connectToMainThread()
     setTimeout(() => session.post('Runtime.terminateExecution'), ${limitMs})`,
    { eval: true },
  )
  watchdog.unref()
  // Without it, only such a loop is not ended.
  watchdog.on('error', () => {})
  return watchdog
}

/** Keeps the process from ending, its output from being mixed with data, and its listeners as they are; gives what puts all back. */
function guardProcess(tell: (what: string) => void): () => void {
  const listeners = new Map(process.eventNames().map((name) => [name, process.rawListeners(name as 'exit')]))
  for (const name of ['unhandledRejection', 'uncaughtException']) process.removeAllListeners(name)
  process.on('unhandledRejection', (reason) => tell(`leaves a rejected promise that nothing awaits: ${words(reason)}`))
  process.on('uncaughtException', (error) => tell(`throws where nothing catches it: ${words(error)}`))
  const { exitCode } = process
  const folder = process.cwd()
  const ends = (call: string) => (): never => {
    tell(`ends the process, by ${call}`)
    throw sluiceError('Definition.FileMisbehaves', { file: 'the definition', what: `ends the process, by ${call}` })
  }
  const replaced = [
    replace(process, 'exit', ends('process.exit') as typeof process.exit),
    replace(process, 'abort', ends('process.abort')),
    replace(process as { reallyExit?: unknown }, 'reallyExit', ends('process.reallyExit')),
    replace(process, 'kill', ends('process.kill') as typeof process.kill),
    // What it prints is for people: the output of a command is data.
    replace(process.stdout, 'write', process.stderr.write.bind(process.stderr) as typeof process.stdout.write),
  ]
  return () => {
    for (const undo of replaced) undo()
    process.exitCode = exitCode
    if (process.cwd() !== folder) process.chdir(folder)
    for (const name of process.eventNames()) {
      const before = listeners.get(name) ?? []
      for (const listener of process.rawListeners(name as 'exit'))
        if (!before.includes(listener)) process.removeListener(name, listener as () => void)
    }
    for (const name of ['unhandledRejection', 'uncaughtException'])
      for (const listener of listeners.get(name) ?? [])
        if (!process.rawListeners(name as 'exit').includes(listener as () => void))
          process.on(name as 'exit', listener as () => void)
  }
}

function replace<T extends object, K extends keyof T>(owner: T, key: K, value: T[K]): () => void {
  const before = owner[key]
  owner[key] = value
  return () => {
    owner[key] = before
  }
}

const words = (reason: unknown): string => String((reason as Error | undefined)?.message ?? reason).split('\n', 1)[0]!
