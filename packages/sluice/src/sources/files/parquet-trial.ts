/** Reads suspicious Parquet files in a process of its own, so that one which takes all memory or all time, or ends the engine, ends nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { sluiceError } from '../../base/errors.ts'

/** What a trial may take. */
export interface TrialLimits {
  /** Of the engine; the process itself has a quarter of a GiB beside. */
  readonly memoryBytes: number
  readonly milliseconds: number
}

/** Reads files by trial; one process for all of them, and another one after it has died. */
export interface ParquetTrial extends AsyncDisposable {
  /**
   * Reads a file to its end; the number that a statement over it gives.
   *
   * @throws Source.Unreadable where that takes more than its limits, fails, or ends the process
   */
  read(file: string, sql: string, limits: TrialLimits): Promise<number>
}

/** What the process runs: it needs no file of its own, so that it is the same from any place. */
const script = (duckdb: string, memoryBytes: number): string => `
const { DuckDBInstance } = require(${JSON.stringify(duckdb)})
const end = () => process.kill(process.pid, 'SIGKILL')
setInterval(() => { if (process.memoryUsage.rss() > ${memoryBytes + 2 ** 28}) process.send({ isTooLarge: true }, end) }, 20)
process.on('disconnect', end)
const config = { memory_limit: '${memoryBytes}B', threads: '1', temp_directory: '', autoinstall_known_extensions: 'false', autoload_known_extensions: 'false' }
let opened
process.on('message', async (sql) => {
  try {
    opened ??= DuckDBInstance.create(':memory:', config).then((instance) => instance.connect())
    const reader = await (await opened).runAndReadAll(sql)
    process.send({ value: String(reader.getRows()[0][0] ?? 0) })
  } catch (error) {
    process.send({ error: String(error && error.message) })
  }
})
`

/**
 * Opens trials; no process is started before the first file.
 *
 * @example await using trial = parquetTrial(); await trial.read('x.parquet', sql, { memoryBytes: 2 ** 30, milliseconds: 60_000 })
 */
export function parquetTrial(): ParquetTrial {
  let child: ChildProcess | undefined
  let room = 0
  const start = ({ memoryBytes }: TrialLimits): ChildProcess => {
    const duckdb = createRequire(import.meta.url).resolve('@duckdb/node-api')
    room = memoryBytes
    // Nothing of this process's surroundings: no secret is in it.
    const { SystemRoot } = process.env
    return spawn(process.execPath, ['-e', script(duckdb, memoryBytes)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: SystemRoot === undefined ? {} : { SystemRoot },
    })
  }
  const stop = async (): Promise<void> => {
    const old = child
    child = undefined
    if (old === undefined || old.exitCode !== null || old.signalCode !== null) return
    const ended = new Promise((done) => old.once('exit', done))
    old.kill('SIGKILL')
    await ended
  }
  return {
    async read(file, sql, limits) {
      if (room !== limits.memoryBytes) await stop()
      child ??= start(limits)
      const answer = await ask(child, sql, limits)
      if (typeof answer === 'number') return answer
      if (answer.isOver) await stop()
      throw sluiceError('Source.Unreadable', { file, why: answer.why })
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** What the process says. */
interface Answer {
  readonly value?: string
  readonly error?: string
  /** It found itself too large, and ends. */
  readonly isTooLarge?: boolean
}

interface Failure {
  readonly why: string
  /** Whether the process cannot be asked any more. */
  readonly isOver: boolean
}

function ask(child: ChildProcess, sql: string, { memoryBytes, milliseconds }: TrialLimits): Promise<number | Failure> {
  return new Promise((resolve) => {
    const end = (answer: number | Failure): void => {
      clearTimeout(timer)
      child.removeAllListeners()
      // A late error of a process that is being stopped is nobody's.
      child.on('error', () => {})
      resolve(answer)
    }
    const over = (why: string): void => end({ why, isOver: true })
    const timer = setTimeout(() => over(`it took longer than ${Math.round(milliseconds / 1000)} seconds`), milliseconds)
    child.once('message', (message: Answer) => {
      if (message.isTooLarge === true) over(`it took more than ${memoryBytes} bytes of memory`)
      else if (message.error === undefined) end(Number(message.value))
      else end({ why: message.error.replace(/\s+/g, ' ').slice(0, 300), isOver: false })
    })
    child.once('error', (error) => over(error.message))
    child.once('exit', (code, signal) => over(`the process that read it ended (${signal ?? `exit code ${code}`})`))
    child.send(sql, (error) => {
      if (error !== null) over(error.message)
    })
  })
}
