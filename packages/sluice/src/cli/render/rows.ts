/** Rows in any of the four formats. */
import { exactJson } from '../../base/json.ts'
import type { EngineColumn } from '../../engines/engine.ts'
import type { Channel, Terminal } from '../terminal.ts'
import { csvRecord } from './csv.ts'
import { isNumeric, type TableColumn, tableText } from './table.ts'

export type RowFormat = 'table' | 'json' | 'ndjson' | 'csv'

type Row = { readonly [column: string]: unknown }

/** The format where none is asked for: a table for people, one object a line for programs. */
export function defaultFormat(terminal: Terminal): RowFormat {
  if (terminal.json) return 'json'
  return terminal.out.tty ? 'table' : 'ndjson'
}

/**
 * Writes batches of rows as they come; stops when the reader has gone away. Returns how many were written.
 *
 * @example await writeRows({ columns, batches }, 'csv', terminal.out, { spreadsheetSafe: true })
 */
export async function writeRows(
  result: { readonly columns: readonly EngineColumn[]; readonly batches: AsyncIterable<readonly Row[]> },
  format: RowFormat,
  channel: Pick<Channel, 'write' | 'data' | 'paint' | 'closed'>,
  options: { readonly spreadsheetSafe?: boolean } = {},
): Promise<number> {
  const { columns, batches } = result
  const safe = options.spreadsheetSafe !== false
  const names = columns.map((column) => column.name)
  // A replacer costs as much as all the rest, so only where there may be a negative zero.
  const json = columns.some(({ type }) => /FLOAT|DOUBLE|REAL/.test(type)) ? exactJson : JSON.stringify
  const kept: Row[] = []
  let written = 0
  if (format === 'csv') await channel.data(csvRecord(names, safe))
  for await (const batch of batches) {
    if (format === 'table') kept.push(...batch)
    if (format === 'csv')
      await channel.data(
        batch
          .map((row) =>
            csvRecord(
              names.map((name) => row[name]),
              safe,
            ),
          )
          .join(''),
      )
    if (format === 'ndjson') await channel.data(batch.map((row) => `${json(ordered(row, names))}\n`).join(''))
    if (format === 'json') {
      const items = batch.map((row, i) => `${written + i === 0 ? '[\n' : ',\n'}  ${json(ordered(row, names))}`)
      await channel.data(items.join(''))
    }
    written += batch.length
    if (channel.closed) break
  }
  if (format === 'json') await channel.data(written === 0 ? '[]\n' : '\n]\n')
  if (format === 'table') await channel.write(tableText(columns.map(tableColumn), kept, channel))
  return written
}

/** Turns rows that are there already into batches. */
export async function* oneBatch(rows: readonly Row[]): AsyncIterable<readonly Row[]> {
  if (rows.length > 0) yield rows
}

function tableColumn({ name, type }: EngineColumn): TableColumn {
  return { key: name, align: isNumeric(type) ? 'right' : 'left' }
}

function ordered(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(names.map((name) => [name, row[name] ?? null]))
}

/**
 * A list of a command's own (runs, tables, checks): a table for people, JSON with `--json`, one object a line in a pipe.
 *
 * @example await writeList(terminal, [{ key: 'table' }], tables, (t) => ({ table: t.table }))
 */
export async function writeList<T extends object>(
  terminal: Terminal,
  columns: readonly TableColumn[],
  items: readonly T[],
  row: (item: T) => Row,
): Promise<void> {
  const format = defaultFormat(terminal)
  if (format === 'json') await terminal.out.json(items)
  else if (format === 'ndjson') await terminal.out.data(items.map((item) => `${JSON.stringify(item)}\n`).join(''))
  else if (items.length > 0) await terminal.out.write(tableText(columns, items.map(row), terminal.out))
}
