/**
 * Staging through COPY: the engine writes CSV into a named pipe, and what comes out of it goes to the server as it comes.
 *
 * Nothing is held in memory, and the values pass through JavaScript unread, as the texts by which both sides write them exactly.
 */
import { execFile } from 'node:child_process'
import { constants, createReadStream, createWriteStream, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import type pg from 'pg'
import { assert } from '../../base/errors.ts'
import { loadCopyStreams } from '../../connections/postgres/connect.ts'
import type { EngineColumn, Session } from '../../engines/engine.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { Dialect } from '../dialect.ts'
import type { Staging } from '../staging.ts'
import { columnList } from '../statements.ts'
import { valueText } from './dialect.ts'

/** What staging works with. */
export interface StagingParts {
  readonly lake: Session
  /** The connection whose transaction the load is. */
  readonly client: pg.Client
  readonly dialect: Dialect
  /** An absolute local folder: a folder for what passes through is made in it, that no one else can read. */
  readonly folder: string
}

/** Staging whose folder is gone afterwards. */
export type PostgresStaging = Staging & AsyncDisposable

/**
 * Staging between an engine session and a connection; not for concurrent use.
 *
 * @example const staging = await postgresStaging({ lake, client, dialect, folder })
 */
export async function postgresStaging({ lake, client, dialect, folder }: StagingParts): Promise<PostgresStaging> {
  const own = await mkdtemp(join(folder, 'load-'))
  const pipe = join(own, 'rows')
  const isPipe = await promisify(execFile)('mkfifo', ['-m', '600', pipe]).then(
    () => true,
    // Windows has none: there the rows pass through a file.
    () => false,
  )
  let fetched = 0

  const copy = async (
    table: string,
    columns: readonly string[],
    select: string,
  ): Promise<{ readonly sent: number; readonly taken: number }> => {
    const { from } = await loadCopyStreams('warehouse')
    const statement = `COPY ${table} (${columnList(columns)}) FROM STDIN (FORMAT csv, ENCODING 'UTF8')`
    return await move(lake, { text: copySql(await lake.describe(select), select, pipe), pipe, isPipe }, () =>
      client.query(from(statement)),
    )
  }
  const create = async (name: string, select: string): Promise<number> => {
    const columns = await lake.describe(select)
    const list = columns.map(({ name: column, type }) => `${quoteIdentifier(column)} ${dialect.columnType(type)}`)
    await client.query(
      `DROP TABLE IF EXISTS pg_temp.${name}; CREATE TEMP TABLE ${name} (${list.join(', ')}) ON COMMIT DROP`,
    )
    const { sent, taken } = await copy(
      name,
      columns.map((column) => column.name),
      select,
    )
    assert(sent === taken, `${taken} of ${sent} rows came into ${name}`)
    await client.query(dialect.statistics!(name))
    return taken
  }
  return {
    lake,
    create,
    bring: async (name, select) => {
      await create(name, select)
      return name
    },
    // A table of the warehouse may have triggers: whoever inserts compares.
    insert: async (table, columns, select) => (await copy(table, columns, select)).taken,
    fetch: async (name, select) => {
      fetched += 1
      const file = join(own, `${name}-${fetched}.csv`)
      const { to } = await loadCopyStreams('warehouse')
      const { fields } = await client.query(`SELECT * FROM (${select}) AS s LIMIT 0`)
      const out = client.query(to(`COPY (${select}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`))
      await pipeline(out, createWriteStream(file, { mode: 0o600 }))
      return readCsv(
        file,
        fields.map(({ name: column }) => column),
      )
    },
    [Symbol.asyncDispose]: () => rm(own, { recursive: true, force: true }),
  }
}

/**
 * What stands after FROM in the engine's SQL to read the texts that COPY wrote with FORCE_QUOTE: one that is not quoted is NULL.
 *
 * @example readCsv('/tmp/rows.csv', ['k', 'v'])
 */
export function readCsv(file: string, columns: readonly string[]): string {
  const texts = columns.map((name) => `${quoteText(name)}: 'VARCHAR'`).join(', ')
  return `read_csv(${quoteText(file)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n',
    max_line_size = 16777216, buffer_size = 33554432, allow_quoted_nulls = false, columns = {${texts}})`
}

/** The engine's statement that writes rows as PostgreSQL's COPY reads them. */
function copySql(columns: readonly EngineColumn[], select: string, path: string): string {
  const texts = columns.map(({ name, type }) => `${valueText(type, quoteIdentifier(name))} AS ${quoteIdentifier(name)}`)
  // Quoted, no text can be taken for NULL or for the end of data.
  const quoted = columns.filter(({ type }) => type === 'VARCHAR' || type === 'JSON').map(({ name }) => name)
  const force = quoted.length === 0 ? '' : `, FORCE_QUOTE (${columnList(quoted)})`
  return `COPY (SELECT ${texts.join(', ')} FROM (${select}) AS s) TO ${quoteText(path)}
    (FORMAT csv, HEADER false, USE_TMP_FILE false${force})`
}

/** Runs both sides at once; the error of the side that failed first is the one that says why. */
async function move(
  lake: Session,
  { text, pipe, isPipe }: { readonly text: string; readonly pipe: string; readonly isPipe: boolean },
  into: () => NodeJS.WritableStream & { readonly rowCount: number },
): Promise<{ readonly sent: number; readonly taken: number }> {
  const write = async (): Promise<number> => Number(Object.values((await lake.all(text))[0] ?? {})[0])
  if (!isPipe) {
    const sent = await write()
    const taking = into()
    await pipeline(createReadStream(pipe), taking)
    return { sent, taken: taking.rowCount }
  }
  const reader = readPipe(pipe)
  const taking = into()
  let first: { readonly error: unknown } | undefined
  let drain: Socket | undefined
  const [sent] = await Promise.all([
    write().catch((error) => {
      first ??= { error }
      reader.destroy()
    }),
    pipeline(reader, taking).catch((error) => {
      if (first !== undefined) return
      first = { error }
      // A writer without a reader would wait for one for ever.
      drain = readPipe(pipe)
        .on('error', () => undefined)
        .resume()
      lake.interrupt()
    }),
  ])
  drain?.destroy()
  if (first !== undefined) throw first.error
  return { sent: Number(sent), taken: taking.rowCount }
}

/** Opened without waiting for a writer, so that a writer that never comes cannot hold the process. */
function readPipe(pipe: string): Socket {
  return new Socket({ fd: openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })
}
