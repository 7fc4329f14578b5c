/**
 * Quarantine: refused records with their bytes, their place and every reason, as Parquet.
 *
 * | column | type | what |
 * |---|---|---|
 * | `_file` | VARCHAR | the file as delivered, relative to the project |
 * | `_line` | BIGINT | the line on which the record starts, from 1 |
 * | `_record` | BIGINT | the record's place among the file's records, from 1, the header not counted |
 * | `_offset` | BIGINT | its first byte in the (decompressed) file, from 0 |
 * | `_bytes` | BLOB | the record as it was delivered, its end included |
 * | `_header` | BLOB | the bytes before the file's first record; NULL where there are none |
 * | `reasons` | VARCHAR[] | all rules that it breaks, in their order; the first is the reason it is counted under |
 * | `fields` | JSON | column → text, where the record could be split |
 *
 * When it was refused, and by which run, stands in the commit record.
 */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Session } from '../engines/engine.ts'
import { type Relation, relationOf } from '../lake/relation.ts'
import { quotePath } from '../sql/quote.ts'

/** One refused record. Where it came from stays empty for rows that a model made. */
export interface RefusedRecord {
  readonly file?: string
  readonly line?: number
  readonly record?: number
  readonly offset?: number
  /** @default its `fields` as JSON: a row that was never bytes is known by its values */
  readonly bytes?: Uint8Array
  /** At least one. */
  readonly reasons: readonly string[]
  readonly fields?: { readonly [column: string]: string | null }
}

/** How many rows were refused, and why. */
export interface RefusedCounts {
  readonly rows: number
  /** Rows by their first reason: adds up to `rows`. */
  readonly reasons: { readonly [reason: string]: number }
  /** Rows by every rule that they break: adds up to more. */
  readonly broken: ReadonlyMap<string, number>
}

/**
 * Counts refused rows.
 *
 * @example const counter = refusedCounter(); counter.add(['cast:id']); counter.counts().reasons // { 'cast:id': 1 }
 */
export function refusedCounter(): { add(reasons: readonly string[]): void; counts(): RefusedCounts } {
  const reasons = new Map<string, number>()
  const broken = new Map<string, number>()
  let rows = 0
  return {
    add(all) {
      rows++
      const [first = 'unknown'] = all
      reasons.set(first, (reasons.get(first) ?? 0) + 1)
      for (const reason of new Set(all)) broken.set(reason, (broken.get(reason) ?? 0) + 1)
    },
    counts: () => ({ rows, reasons: Object.fromEntries(reasons), broken }),
  }
}

/** What was written. */
export interface WrittenQuarantine extends RefusedCounts {
  /** Absolute; not yet durable. */
  readonly localFile: string
}

/** Collects refused records in bounded memory. */
export interface QuarantineWriter {
  /** Gives the bytes before a file's first record, once a file, so that an export can begin with them. */
  header(file: string, bytes: Uint8Array): void
  /** Synchronous, so that an engine's callback can call it. */
  add(record: RefusedRecord): void
  /** So far. */
  counts(): RefusedCounts
  /** Writes the Parquet file, sorted as added; undefined where nothing was refused. */
  finish(): Promise<WrittenQuarantine | undefined>
}

/** Text that is kept before it goes to the disk. */
const bufferCharacters = 1 << 20

const spillColumns =
  "{_file: 'VARCHAR', _line: 'BIGINT', _record: 'BIGINT', _offset: 'BIGINT', _bytes: 'VARCHAR', reasons: 'VARCHAR[]', fields: 'JSON'}"

/**
 * Makes a writer; it spills to a text file in `scratch`, which `finish` turns into Parquet and removes.
 *
 * @example
 * const quarantine = quarantineWriter(session, scratch)
 * quarantine.add({ file: 'inbox/a.csv', line: 3, record: 2, offset: 41, bytes, reasons: ['cast:quantity'] })
 * const written = await quarantine.finish()
 * @param scratch an absolute local folder; files go to `quarantine/` in it
 */
export function quarantineWriter(session: Session, scratch: string): QuarantineWriter {
  const folder = join(scratch, 'quarantine')
  const spill = join(scratch, 'quarantine.ndjson')
  const headers = new Map<string, string>()
  const counter = refusedCounter()
  let buffer: string[] = []
  let buffered = 0
  let longest = 0
  const flush = (): void => {
    appendFileSync(spill, buffer.join(''))
    buffer = []
    buffered = 0
  }
  return {
    counts: counter.counts,
    header(file, bytes) {
      headers.set(file, Buffer.from(bytes).toString('base64'))
    },
    add(record) {
      const line = `${JSON.stringify(spilled(record))}\n`
      buffer.push(line)
      buffered += line.length
      longest = Math.max(longest, Buffer.byteLength(line))
      counter.add(record.reasons)
      if (buffered > bufferCharacters) flush()
    },
    async finish() {
      const counts = counter.counts()
      if (counts.rows === 0) return undefined
      flush()
      mkdirSync(folder, { recursive: true })
      const headerFile = `${spill}.headers`
      const lines = [...headers].map(([file, header]) => `${JSON.stringify({ _file: file, _header: header })}\n`)
      writeFileSync(headerFile, lines.join(''))
      const [written] = await session.write(spillSql(spill, headerFile, Math.max(longest, 1 << 20)), {
        folder,
        ordered: true,
      })
      await rm(spill)
      await rm(headerFile)
      return { ...counts, localFile: written!.file, rows: written!.rows }
    },
  }
}

function spilled(record: RefusedRecord): Record<string, unknown> {
  return {
    _file: record.file,
    _line: record.line,
    _record: record.record,
    _offset: record.offset,
    _bytes: Buffer.from(record.bytes ?? JSON.stringify(record.fields)).toString('base64'),
    reasons: record.reasons,
    ...(record.fields === undefined ? {} : { fields: record.fields }),
  }
}

function spillSql(spill: string, headerFile: string, longest: number): string {
  const read = (file: string, columns: string): string =>
    `read_json(${quotePath(file)}, format = 'newline_delimited', columns = ${columns}, maximum_object_size = ${longest})`
  // A scalar subquery, and not a join, keeps the order of the records.
  const header = `(SELECT map(list(h._file), list(from_base64(h._header))) FROM ${read(headerFile, "{_file: 'VARCHAR', _header: 'VARCHAR'}")} h)`
  return `SELECT _file, _line, _record, _offset, from_base64(_bytes) AS _bytes, ${header}[_file] AS _header, reasons, fields FROM ${read(spill, spillColumns)}`
}

/** Where a quarantine file is: in the lake, or on this machine until it is adopted. */
type Place = { readonly path: string } | { readonly localFile: string }

const fields = Object.entries({
  ...{ _file: 'VARCHAR', _line: 'BIGINT', _record: 'BIGINT', _offset: 'BIGINT', _bytes: 'BLOB', _header: 'BLOB' },
  ...{ reasons: 'VARCHAR[]', fields: 'JSON' },
}).map(([name, type]) => ({ name, type }))

/**
 * The records of quarantine files; of no file, no rows with the same columns.
 *
 * @example await session.all(`SELECT reasons[1] AS reason, count(*) FROM ${await session.from(quarantineRelation(record.quarantine))} GROUP BY 1`)
 */
export function quarantineRelation(files: readonly Place[]): Relation {
  const names = fields.map(({ name }) => name)
  return relationOf({ fields, files: files.map((file) => ({ ...file, fields: names })) })
}

/** A piece of an export: bytes that belong into a file. */
export interface ExportedBytes {
  /** As delivered, relative to the project. */
  readonly file: string
  /** The place of the quarantine file: a name that was delivered twice has records, and a header, in each of two. */
  readonly part: number
  readonly bytes: Uint8Array
}

/**
 * The refused records as they were delivered, each file with its header first: fix it, and deliver it again.
 *
 * @example for await (const { file, bytes } of exportQuarantine(session, record.quarantine)) await append(file, bytes)
 * @param where a condition on the columns of {@link quarantineRelation}, such as `list_contains(reasons, 'cast:quantity')`
 */
export async function* exportQuarantine(
  session: Session,
  files: readonly Place[],
  where = 'true',
): AsyncIterable<ExportedBytes> {
  for (const [part, file] of files.entries()) yield* exportPart(session, file, part, where)
}

async function* exportPart(
  session: Session,
  quarantineFile: Place,
  part: number,
  where: string,
): AsyncIterable<ExportedBytes> {
  const sql = `SELECT _file, hex(_header) AS header, hex(_bytes) AS bytes FROM ${await session.from(quarantineRelation([quarantineFile]))} WHERE ${where} ORDER BY _file, _offset, _record`
  let file: string | undefined
  let open = false
  for await (const batch of session.stream(sql)) {
    for (const row of batch as readonly { _file: string; header: string | null; bytes: string }[]) {
      const header = Buffer.from(row.header ?? '', 'hex')
      if (row._file !== file) {
        file = row._file
        if (header.length > 0) yield { file, part, bytes: header }
      } else if (open) {
        // The last record of a file may come without an end, and is not the last here.
        yield { file, part, bytes: recordEnd(header.length === 0 ? Buffer.from('\n') : header) }
      }
      const bytes = Buffer.from(row.bytes, 'hex')
      open = recordEnd(bytes).length === 0
      yield { file, part, bytes }
    }
  }
}

/** The line end that bytes end with, in an encoding of one or of two bytes. */
function recordEnd(bytes: Buffer): Buffer {
  const end = /(?:\r\0\n\0|\0\r\0\n|\n\0|\0\n|\r\n|\n|\r)$/.exec(bytes.subarray(-4).toString('latin1'))
  return Buffer.from(end?.[0] ?? '', 'latin1')
}
