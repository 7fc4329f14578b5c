/** Copies tables of the warehouse to where the engine can read them: a query cannot attach a server. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { ConnectionSettings } from '../../connections/connection.ts'
import { dropPostgres, loadCopyStreams } from '../../connections/postgres/connect.ts'
import { sqlState } from '../../connections/postgres/errors.ts'
import type { EngineColumn } from '../../engines/engine.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { CopiedTable, TableToCopy, Warehouse } from '../warehouse.ts'
import { readExpression, readType } from './dialect.ts'
import { whyOf } from './session.ts'
import { readCsv } from './staging.ts'

/** A column with its type as the server spells it. */
export interface FormattedColumn {
  readonly name: string
  readonly formatted: string
}

/** Where tables are copied from. */
export interface CopySource {
  /** In a transaction, so that all tables are of one moment. */
  readonly client: pg.Client
  readonly settings: ConnectionSettings
  /** None of a table that is not there. */
  readonly columnsOf: (table: string) => Promise<readonly FormattedColumn[]>
  /** Qualified and quoted. */
  readonly nameOf: (table: string) => string
}

type CopyTo = Parameters<NonNullable<Warehouse['copyOut']>>[1]

/**
 * Copies tables into CSV files, as `Warehouse.copyOut` promises.
 *
 * @example await copyTables({ client, settings, columnsOf, nameOf }, [{ table: 't', mayRead: () => true }], { folder, limitBytes: 1e9 })
 */
export async function copyTables(
  source: CopySource,
  tables: readonly TableToCopy[],
  to: CopyTo,
): Promise<readonly (CopiedTable | undefined)[]> {
  const copied: (CopiedTable | undefined)[] = []
  let bytes = 0
  for (const [index, { table, mayRead, rows }] of tables.entries()) {
    const found = await source.columnsOf(table)
    const columns = found.map(({ name, formatted }) => ({ name, type: readType(formatted) }))
    if (columns.length === 0 || rows === 0) {
      copied.push(columns.length === 0 ? undefined : { columns })
      continue
    }
    const taken = columns.filter(({ name }) => mayRead(name))
    const file = join(to.folder, `${index}.csv`)
    // The first column is never NULL: a line without a character would be no row.
    const list = ['1', ...taken.map(({ name }) => quoteIdentifier(name))].join(', ')
    const select = `SELECT ${list} FROM ${source.nameOf(table)}${rows === undefined ? '' : ` LIMIT ${rows}`}`
    const counted = new Transform({
      transform(chunk: Buffer, _, done) {
        bytes += chunk.length
        const isTooMuch = bytes > to.limitBytes
        done(
          isTooMuch
            ? sluiceError('Query.WarehouseTooLarge', { table, megabytes: Math.round(to.limitBytes / 1e6) })
            : null,
          chunk,
        )
      },
    })
    const count = await copyRows(source, { table, select, file, counted, signal: to.signal })
    copied.push({ columns, rows: { count, columns: taken.map(({ name }) => name), relation: relationOf(file, taken) } })
  }
  return copied
}

async function copyRows(
  { client, settings }: CopySource,
  of: {
    readonly table: string
    readonly select: string
    readonly file: string
    readonly counted: Transform
    readonly signal: AbortSignal | undefined
  },
): Promise<number> {
  const { to } = await loadCopyStreams(settings.name)
  const out = client.query(to(`COPY (${of.select}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`))
  try {
    await pipeline(out, of.counted, createWriteStream(of.file, { mode: 0o600 }), { signal: of.signal })
    return out.rowCount
  } catch (error) {
    // The server would go on to send.
    if (sqlState(error) === undefined) dropPostgres(client)
    of.signal?.throwIfAborted()
    if (isSluiceError(error)) throw error
    const cause = { cause: error }
    const why = whyOf(error)
    if (sqlState(error) !== '42501')
      throw sluiceError(
        'Query.Failed',
        { detail: `"${of.table}" of the PostgreSQL warehouse cannot be read: ${why}.` },
        cause,
      )
    throw sluiceError('Warehouse.Forbidden', { what: `the reading of "${of.table}"`, user: settings.user, why }, cause)
  }
}

/** What stands after FROM; every text as the value that it was. */
function relationOf(file: string, taken: readonly EngineColumn[]): string {
  const values = taken.map(
    ({ name, type }, index) => `${readExpression(type, `c${index}`)} AS ${quoteIdentifier(name)}`,
  )
  const texts = ['n', ...taken.map((_, index) => `c${index}`)]
  return `(SELECT ${values.length === 0 ? 'n' : values.join(', ')} FROM ${readCsv(file, texts)})`
}
