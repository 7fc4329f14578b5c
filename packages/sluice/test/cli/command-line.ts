/** A command line in this process: with outputs that are kept, and a project that is handed in. */
import { EventEmitter } from 'node:events'
import { Readable, Writable } from 'node:stream'
import { execute, type Opener } from '../../src/cli/execute.ts'
import type { OpenProject } from '../../src/run/api.ts'

/** What became of a command line. */
export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

class Sink extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns = 100
  readonly rows = 40
  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

/** What a command line meets. */
export interface Setting {
  readonly tty?: boolean
  readonly env?: Record<string, string>
  readonly stdin?: string
  readonly open?: Opener
  readonly cwd?: string
  /** Called with the signals' emitter once the command has begun. */
  readonly during?: (signals: EventEmitter) => void
}

/** @example const { code, out } = await commandLine(project, ['check', '--json']) */
export async function commandLine(
  project: OpenProject,
  argv: readonly string[],
  setting: Setting = {},
): Promise<Result> {
  const [stdout, stderr] = [new Sink(setting.tty === true), new Sink(setting.tty === true)]
  const stdin = Object.assign(Readable.from(setting.stdin === undefined ? [] : [setting.stdin]), {
    isTTY: setting.tty === true,
  })
  const signals = new EventEmitter()
  const surroundings = {
    stdout,
    stderr,
    stdin,
    env: setting.env ?? {},
    cwd: () => setting.cwd ?? project.root,
    on: signals.on.bind(signals),
    off: signals.off.bind(signals),
    exit: (code: number) => void signals.emit('exit', code),
  }
  setting.during?.(signals)
  const code = await execute(argv, surroundings, setting.open ?? (async () => project))
  return { code, out: stdout.text, err: stderr.text }
}
