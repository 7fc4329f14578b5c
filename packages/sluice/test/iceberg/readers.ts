/** Other people's readers of Iceberg, each a process that answers questions, a line each. `tools/test-iceberg.mjs` installs what they need. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What a reader is asked. */
export interface Question {
  /** `raw.types`. */
  readonly table: string
  /** Without the scheme's slashes changed: as Sluice prints it. */
  readonly metadata: string
  readonly snapshot?: number
  readonly where?: {
    readonly column: string
    readonly operator: '<' | '<=' | '=' | '>=' | '>' | 'null' | 'nan'
    readonly value?: string | number | boolean
    /** As Spark spells it. */
    readonly type?: string
  }
  /** Whose values are wanted as text; without them, only what the table is. */
  readonly columns?: readonly string[]
}

/** What it answers. */
export interface Answer {
  readonly error?: string
  readonly rows?: readonly (readonly (string | null)[])[]
  readonly columns?: readonly string[]
  readonly snapshots?: readonly number[]
  /** Files that it means to read. */
  readonly planned?: number
}

/** A reader at work. */
export interface Reader {
  readonly name: string
  ask(question: Question): Promise<Answer>
  close(): void
}

/** The Python that has the readers; undefined where nobody installed it. */
export const python = process.env['SLUICE_ICEBERG_PYTHON']

/** @example const reader = pyiceberg(); (await reader.ask({ table, metadata, columns: ['id'] })).rows */
export function pyiceberg(): Reader {
  return reader('pyiceberg', ['read_pyiceberg.py'])
}

/** @param lake The folder of the lake, which Spark takes for a warehouse of tables in folders. */
export function spark(lake: string): Reader {
  return reader('spark', ['read_spark.py', process.env['SLUICE_ICEBERG_JAR'] ?? '', lake])
}

function reader(name: string, [script = '', ...args]: readonly string[]): Reader {
  const child = spawn(python ?? 'python3', [join(import.meta.dirname, script), ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-4000)
  })
  const waiting: ((answer: Answer) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(JSON.parse(line) as Answer))
  child.on('exit', (code) => {
    for (const done of waiting.splice(0)) done({ error: `the reader ended with ${code}: ${said}` })
  })
  return {
    name,
    ask: (question) =>
      new Promise((done) => {
        waiting.push(done)
        child.stdin.write(`${JSON.stringify(question)}\n`)
      }),
    close: () => child.stdin.end(),
  }
}
