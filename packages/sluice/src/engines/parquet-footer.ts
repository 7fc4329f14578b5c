/** What a Parquet file says of itself, without a row being read. */
import { open } from 'node:fs/promises'
import type { Field } from '../lake/record.ts'
import { quotePath } from '../sql/quote.ts'
import type { Session } from './engine.ts'
import { Reader, writeFieldIds } from './parquet-ids.ts'

/**
 * Reads how many rows a file has.
 *
 * @example const { rows } = await readFooter(session, '/tmp/part-0.parquet')
 * @throws Engine.Failed where it is no Parquet file
 */
export async function readFooter(session: Pick<Session, 'all'>, file: string): Promise<{ readonly rows: number }> {
  const [footer] = await session.all<{ num_rows: string }>(
    `SELECT num_rows FROM parquet_file_metadata(${quotePath(file)})`,
  )
  return { rows: Number(footer?.num_rows) }
}

/**
 * Makes a file one of a table's: its columns get the ids of these fields, and the engine, which reads it then, counts its rows.
 *
 * @example verifyFile: (file, fields) => completeFile(session, file, fields)
 * @param fields All of the file's columns; left out for a file that is no table's data.
 * @throws Lake.FileCorrupt where it has other columns
 */
export async function completeFile(
  session: Pick<Session, 'all'>,
  file: string,
  fields: readonly Field[] | undefined,
): Promise<{ readonly rows: number; readonly hasFieldIds: boolean }> {
  if (fields !== undefined) await writeFieldIds(file, fields)
  return { ...(await readFooter(session, file)), hasFieldIds: fields !== undefined }
}

/** A column as the file itself describes it. */
export interface FileColumn {
  readonly name: string
  /** The type of the file where the engine reads another one (`DECIMAL(39,2)`, `INT96`), else the engine's. */
  readonly type: string
  /** Whether its values are finer than what the engine reads of them. */
  readonly isCut: boolean
  /** Whether the file says that it has no value at all. */
  readonly isEmpty: boolean
}

interface SchemaRow {
  readonly name: string
  readonly type: string | null
  readonly num_children: string | null
  readonly repetition_type: string | null
  readonly converted_type: string | null
  readonly logical_type: string | null
  readonly precision: string | null
  readonly scale: string | null
  readonly duckdb_type: string | null
}

/**
 * Reads a file's columns from its own schema, under the names that they have there.
 *
 * @example (await readColumns(session, file)).find(({ isCut }) => isCut)?.type // 'INT96'
 */
export async function readColumns(session: Pick<Session, 'all'>, file: string): Promise<readonly FileColumn[]> {
  const rows = await session.all<SchemaRow>(
    `SELECT name, type, num_children::VARCHAR AS num_children, repetition_type, converted_type, logical_type, precision::VARCHAR AS precision, scale::VARCHAR AS scale, duckdb_type FROM parquet_schema(${quotePath(file)}) ORDER BY column_id`,
  )
  const chunks = await session.all<{ name: string; empty: boolean | null }>(
    `SELECT path_in_schema AS name, bool_and(coalesce(stats_null_count = num_values, false)) AS empty FROM parquet_metadata(${quotePath(file)}) GROUP BY ALL`,
  )
  const empty = new Set(chunks.filter((chunk) => chunk.empty === true).map(({ name }) => name))
  const columns: FileColumn[] = []
  const after = (place: number): number => {
    let next = place + 1
    for (let child = Number(rows[place]?.num_children ?? 0); child > 0; child--) next = after(next)
    return next
  }
  for (let place = 1; place < rows.length; place = after(place)) columns.push(fileColumn(rows[place]!, empty))
  return columns
}

function fileColumn(row: SchemaRow, empty: ReadonlySet<string>): FileColumn {
  const isNested = Number(row.num_children ?? 0) > 0 || row.repetition_type === 'REPEATED'
  const logical = row.logical_type ?? ''
  const isNanosInUtc = /^TimestampType\(isAdjustedToUTC=1.*NANOS=NanoSeconds/.test(logical)
  const isWide = row.converted_type === 'DECIMAL' || logical.startsWith('DecimalType')
  const read = row.duckdb_type ?? ''
  const type =
    !isNested && row.type === 'INT96'
      ? 'INT96'
      : isNanosInUtc
        ? 'TIMESTAMP(NANOS, UTC)'
        : isWide && !read.startsWith('DECIMAL')
          ? `DECIMAL(${row.precision},${row.scale})`
          : read
  return {
    name: row.name,
    type,
    isCut: !isNested && (row.type === 'INT96' || isNanosInUtc),
    isEmpty: !isNested && (logical.startsWith('NullType') || empty.has(row.name)),
  }
}

interface ChunkRow {
  readonly filled: string
  readonly bytes: string
  readonly dictionary: string | null
}

/**
 * How many bytes a file's values have once they are unpacked, as its footer and its dictionaries declare it.
 *
 * A dictionary is packed and then referred to, so a few bytes can stand for terabytes: its entries count as often as there are values.
 *
 * @example if ((await readUnpackedBytes(session, file, limit)) > limit) refuse()
 * @param enough The answer may be any larger number where it is above this.
 */
export async function readUnpackedBytes(session: Pick<Session, 'all'>, file: string, enough: number): Promise<number> {
  const chunks = await session.all<ChunkRow>(
    `SELECT greatest(num_values - coalesce(stats_null_count, 0), 0)::VARCHAR AS filled, total_uncompressed_size::VARCHAR AS bytes, CASE WHEN contains(encodings, 'DICTIONARY') THEN coalesce(nullif(dictionary_page_offset, 0), data_page_offset) END::VARCHAR AS dictionary FROM parquet_metadata(${quotePath(file)})`,
  )
  const highest = chunks.reduce((sum, { filled, bytes, dictionary }) => {
    return sum + Number(bytes) * (dictionary === null ? 1 : Math.max(1, Number(filled)))
  }, 0)
  // No value is larger than the chunk that it is in: mostly no dictionary needs a look.
  if (highest <= enough) return highest
  const handle = await open(file)
  try {
    let sum = 0
    for (const { filled, bytes, dictionary } of chunks) {
      const head = Buffer.alloc(64)
      if (dictionary !== null) await handle.read(head, 0, head.length, Number(dictionary))
      sum += Math.max(Number(bytes), dictionary === null ? 0 : Number(filled) * entryBytes(head))
      if (sum > enough) return sum
    }
    return sum
  } finally {
    await handle.close()
  }
}

/** The mean size of a dictionary's entries, by the header of its page (parquet.thrift, PageHeader); 0 where it is none. */
function entryBytes(head: Buffer): number {
  try {
    const page = new Reader(head).members()
    const size = page.find(({ id }) => id === 2)
    const dictionary = page.find(({ id }) => id === 7)
    if (size === undefined || dictionary === undefined) return 0
    const entries = new Reader(head, dictionary.start).members().find(({ id }) => id === 1)
    if (entries === undefined) return 0
    return new Reader(head, size.start).signed() / Math.max(1, new Reader(head, entries.start).signed())
  } catch (error) {
    if (error instanceof RangeError) return 0
    throw error
  }
}
