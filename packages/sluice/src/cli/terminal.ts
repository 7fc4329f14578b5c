/** Where output goes: data to `out`, everything else to `err`; each knows whether a person looks at it. */
import type { Writable } from 'node:stream'
import { visibleLines } from './render/text.ts'

/** How text may look. */
export type Look = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'cyan'

const codes: { readonly [K in Look]: readonly [number, number] } = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
}

/** One of the two outputs. */
export interface Channel {
  /** A person looks at it. */
  readonly tty: boolean
  /** Whether colours are shown. */
  readonly color: boolean
  /** Width and height in characters. */
  readonly columns: number
  readonly rows: number
  /** The reader has gone away (`sluice query … | head`): what is written is dropped. */
  readonly closed: boolean
  /** Writes; waits where the reader is slow. */
  write(text: string): Promise<void>
  /** Writes data as it is; on a terminal, without what would act on the terminal. */
  data(data: string | Uint8Array): Promise<void>
  /** Writes a value as JSON, over several lines. */
  json(value: unknown): Promise<void>
  line(text?: string): Promise<void>
  paint(look: Look, text: string): string
}

/** Both outputs and the rules for them. */
export interface Terminal {
  readonly out: Channel
  readonly err: Channel
  /** `--json`. */
  readonly json: boolean
  /** `-q`. */
  readonly quiet: boolean
  /** Whether a view may be redrawn in place on `err`. */
  readonly live: boolean
  /** Whether questions can be asked. */
  readonly interactive: boolean
  /** A remark for people, on `err`. */
  note(text: string): Promise<void>
  /** The one line at the end that says what to do next: on a terminal only, unless `always`. */
  next(text: string, always?: boolean): Promise<void>
}

/** What decides the rules. */
export interface TerminalOptions {
  readonly stdout: Writable
  readonly stderr: Writable
  readonly stdin?: { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly json?: boolean
  readonly quiet?: boolean
  readonly color?: boolean
  readonly input?: boolean
}

/**
 * Makes the terminal: https://no-color.org, FORCE_COLOR, CI and TERM=dumb are honoured.
 *
 * @example const terminal = openTerminal({ stdout: process.stdout, stderr: process.stderr, env: process.env })
 */
export function openTerminal(options: TerminalOptions): Terminal {
  const { env } = options
  const dumb = env['TERM'] === 'dumb'
  const ci = env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false'
  const colorOf = (tty: boolean): boolean => {
    if (options.color === false) return false
    if (env['FORCE_COLOR'] !== undefined) return env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== 'false'
    if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false
    return tty && !dumb
  }
  const out = channel(options.stdout, colorOf)
  const err = channel(options.stderr, colorOf)
  const json = options.json === true
  const quiet = options.quiet === true
  return {
    out,
    err,
    json,
    quiet,
    live: err.tty && !dumb && !ci && !quiet && !json,
    interactive: options.stdin?.isTTY === true && err.tty && !ci && options.input !== false,
    note: async (text) => {
      if (!quiet && !json) await err.line(err.paint('dim', text))
    },
    next: async (text, always = false) => {
      if (!quiet && !json && (always || err.tty)) await err.line(`${err.paint('bold', 'Next:')} ${text}`)
    },
  }
}

function channel(stream: Writable, colorOf: (tty: boolean) => boolean): Channel {
  const tty = (stream as { isTTY?: boolean }).isTTY === true
  const size = stream as { columns?: number; rows?: number }
  const color = colorOf(tty)
  let closed = false
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
    closed = true
  })
  const write = async (piece: string | Uint8Array): Promise<void> => {
    if (closed || piece.length === 0) return
    if (stream.write(piece)) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'close', 'error']) stream.off(event, done)
        resolve()
      }
      for (const event of ['drain', 'close', 'error']) stream.on(event, done)
    })
  }
  const data = (piece: string | Uint8Array): Promise<void> =>
    write(tty ? visibleLines(typeof piece === 'string' ? piece : Buffer.from(piece).toString('utf8')) : piece)
  return {
    tty,
    color,
    // Read each time: a window can be resized. Some terminals say 0 and mean that they do not know.
    get columns() {
      return size.columns || 100
    },
    get rows() {
      return size.rows || 40
    },
    get closed() {
      return closed
    },
    write,
    data,
    json: (value) => data(`${JSON.stringify(value, null, 2)}\n`),
    line: (text = '') => write(`${text}\n`),
    paint: (look, text) => (color ? `\u001b[${codes[look][0]}m${text}\u001b[${codes[look][1]}m` : text),
  }
}
