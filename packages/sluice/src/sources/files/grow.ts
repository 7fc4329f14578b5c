/** New columns of files, found before any of them is read, so that all files of a delivery become rows of the same columns. */
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import { columnTypeOf, withColumns } from '../../definition/grown.ts'
import type { Column, ColumnType, FilesSource } from '../../definition/types.ts'
import type { DiscoveredInput } from '../source.ts'
import { parquetColumns } from './parquet.ts'
import { openInput, type PrepareContext } from './prepare.ts'
import { type Dialect, dialectOf } from './text/dialect.ts'
import { readRecords } from './text/file-records.ts'
import { mapHeader, namesInFile } from './text/header.ts'
import { JsonLineProblem, objectMembers } from './text/json-line.ts'

/** A column that a file has. */
interface FoundColumn {
  readonly name: string
  /** Undefined where no column can be declared as it. */
  readonly type: ColumnType | undefined
}

/**
 * The source with the columns that these files have and it has not; a column that may be NULL may also be absent. A file that cannot be read, or lacks
 * a column that must be there, adds none: it is refused when it is taken.
 *
 * @example const grown = await grownByFiles(inputs, context)
 */
export async function grownByFiles(inputs: readonly DiscoveredInput[], context: PrepareContext): Promise<FilesSource> {
  const { source } = context
  let grown: FilesSource = { ...source, columns: mapColumns(source.columns, optionalWhereNullable) }
  const scratch = join(context.scratch, 'names')
  mkdirSync(scratch, { recursive: true })
  for (const [number, input] of inputs.entries()) {
    context.signal.throwIfAborted()
    try {
      const { localFile, bytes } = await openInput(input, number, { ...context, scratch })
      const found = await columnsOfFile(input.path, localFile, bytes, context)
      const wider = withColumns(grown, newColumns(found, grown))
      // Of JSON Lines a key that is no column refuses its own line.
      if (source.format.kind !== 'jsonl') {
        mapHeader(
          printable(input.path),
          found.map(({ name }) => name),
          wider.columns,
          'reject',
        )
      }
      grown = wider
    } catch (error) {
      if (!isSluiceError(error)) throw error
    }
  }
  await rm(scratch, { recursive: true, force: true })
  return grown
}

const optionalWhereNullable = (column: Column): Column =>
  column.nullable === true ? { ...column, optional: true } : column

const mapColumns = (columns: FilesSource['columns'], map: (column: Column) => Column): FilesSource['columns'] =>
  Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, map(column)]))

/** Names that Sluice uses itself, or that no definition could declare, are no columns that a table takes by itself. */
const isUsable = (name: string): boolean =>
  name.length > 0 && name.length <= 128 && !/^_(?:file|file_date|row|sluice_.*)$/is.test(name) && !/\p{Cc}/u.test(name)

function newColumns(
  found: readonly FoundColumn[],
  { columns }: FilesSource,
): readonly { readonly name: string; readonly type: ColumnType }[] {
  const known = new Set(
    Object.entries(columns)
      .flatMap(([name, column]) => namesInFile(name, column))
      .map((name) => name.normalize('NFC')),
  )
  return found.flatMap(({ name: given, type }) => {
    const name = given.normalize('NFC')
    return type === undefined || known.has(name) || !isUsable(name) ? [] : [{ name, type }]
  })
}

async function columnsOfFile(
  path: string,
  localFile: string,
  bytes: number,
  { source, session, signal, trial }: PrepareContext,
): Promise<readonly FoundColumn[]> {
  if (source.format.kind === 'parquet') {
    const columns = await parquetColumns(session, path, localFile, bytes, source, trial)
    return columns.map(({ name, type }) => ({ name, type: columnTypeOf(type) }))
  }
  const dialect = dialectOf(source.format)
  const names =
    source.format.kind === 'jsonl'
      ? [...Object.keys(source.columns), ...(await keysOf(localFile, dialect, signal))]
      : await headerOf(localFile, dialect, signal)
  return [...new Set(names)].map((name) => ({ name, type: 'text' }))
}

/** Ends the reading of a file whose header is all that is wanted. */
class HeaderFound extends Error {
  readonly names: readonly string[]
  constructor(names: readonly string[]) {
    super('the header was found')
    this.names = names
  }
}

async function headerOf(file: string, dialect: Dialect, signal: AbortSignal): Promise<readonly string[]> {
  try {
    await readRecords(
      file,
      { dialect, signal },
      {
        header(names) {
          throw new HeaderFound(names)
        },
        record() {},
      },
    )
    return []
  } catch (error) {
    if (error instanceof HeaderFound) return error.names
    throw error
  }
}

/** The keys of all objects of a file of JSON Lines; what a table may have, and no more: a file of millions of keys has no columns. */
async function keysOf(file: string, dialect: Dialect, signal: AbortSignal): Promise<readonly string[]> {
  const keys = new Set<string>()
  await readRecords(
    file,
    { dialect, signal },
    {
      record(record) {
        if (record.problem !== undefined || keys.size > mostKeys) return
        try {
          JSON.parse(record.bytes.toString('utf8'))
        } catch {
          return
        }
        const members = objectMembers(record.bytes.toString('utf8'))
        if (!(members instanceof JsonLineProblem)) for (const key of members.keys()) keys.add(key)
      },
    },
  )
  return keys.size > mostKeys ? [] : [...keys]
}

/** More keys than these are data, not names. */
const mostKeys = 1000
