/** Copies tables of the warehouse to where the engine can read them: a query cannot attach a server. */
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { dropPostgres, loadCopyStreams } from '../../connections/postgres/connect.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { CopiedTable, TableToCopy } from '../warehouse.ts'
import { readExpression, readType } from './dialect.ts'

/**
 * Copies one table into a CSV file.
 *
 * @param columns The table's own, with the types that the server reports.
 * @param spare How many bytes it may be.
 * @example await copyTable(client, { table: '"mart"."t"', name: 't', columns, wanted, file, spare: 1e9 })
 * @throws Query.WarehouseTooLarge; the connection is dropped then
 */
export async function copyTable(
  client: pg.Client,
  {
    table,
    columns,
    wanted: { table: name, mayRead, rows },
    folder,
    spare,
  }: {
    /** Quoted. */
    readonly table: string
    readonly columns: readonly { readonly name: string; readonly formatted: string }[]
    readonly wanted: TableToCopy
    readonly folder: string
    readonly spare: number
  },
): Promise<CopiedTable> {
  const described = columns.map(({ name: column, formatted }) => ({ name: column, type: readType(formatted) }))
  const taken = described.filter(({ name: column }) => mayRead(column))
  if (rows === 0) return { columns: described, bytes: 0 }
  const { to } = await loadCopyStreams('warehouse')
  const file = join(folder, `${described.length}-${Buffer.from(name).toString('hex').slice(0, 100)}.csv`)
  // The first column is never NULL: a line without a character would be no row.
  const list = ['1', ...taken.map(({ name: column }) => quoteIdentifier(column))].join(', ')
  const limit = rows === undefined ? '' : ` LIMIT ${rows}`
  const out = client.query(to(`COPY (SELECT ${list} FROM ${table}${limit}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`))
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      done(bytes > spare ? sluiceError('Query.WarehouseTooLarge', { table: name, bytes: spare }) : null, chunk)
    },
  })
  try {
    await pipeline(out, counted, createWriteStream(file, { mode: 0o600 }))
  } catch (error) {
    // The server would go on to send.
    dropPostgres(client)
    throw error
  }
  const names = taken.map((_, index) => `c${index}`)
  const relation = `(SELECT ${['n', ...taken.map(({ name: column, type }, index) => `${readExpression(type, names[index]!)} AS ${quoteIdentifier(column)}`)].slice(taken.length === 0 ? 0 : 1).join(', ')}
    FROM read_csv(${quoteText(file)}, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"', new_line = '\\n', max_line_size = 16777216, buffer_size = 33554432,
      parallel = false, allow_quoted_nulls = false, columns = {${['n', ...names].map((column) => `${quoteText(column)}: 'VARCHAR'`).join(', ')}}))`
  return {
    columns: described,
    rows: { relation, count: out.rowCount, columns: taken.map(({ name: column }) => column) },
    bytes,
  }
}
