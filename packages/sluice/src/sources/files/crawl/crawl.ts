/** Looks at foreign files and proposes a contract, to be reviewed: types are the narrowest for which every value is valid by the strict casts. */
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../../base/clock.ts'
import { isSluiceError, sluiceError } from '../../../base/errors.ts'
import { printable } from '../../../base/printable.ts'
import type { Column, ColumnType, FileFormat, FilesSource } from '../../../definition/types.ts'
import type { Session } from '../../../engines/engine.ts'
import { readFooter } from '../../../engines/parquet-footer.ts'
import type { Delivery, Inbox } from '../../../inbox/inbox.ts'
import { readParquetSql } from '../../../sql/quote.ts'
import { hashFile } from '../discover.ts'
import { parquetTrial } from '../parquet-trial.ts'
import { prepareUnits, readingFrom } from '../prepare.ts'
import { dialectOf } from '../text/dialect.ts'
import { readRecords } from '../text/file-records.ts'
import { gunzipFile, gunzipLimits } from '../text/gunzip.ts'
import { JsonLineProblem, objectMembers } from '../text/json-line.ts'
import { kindInWords, kindOfFile } from '../text/recognise.ts'
import { sniffCsv } from '../text/sniff.ts'
import { unzstdFile } from '../text/zstd.ts'
import { type ContractChange, contractDiff, definitionText } from './crawl-text.ts'
import { type ProposedColumn, proposeTypes } from './crawl-types.ts'
import { headersInWords, type SharedColumn, sharedColumns } from './headers.ts'

/** What a crawl found. */
export interface CrawlProposal {
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly rows: number }[]
  /** TypeScript, ready to paste. */
  readonly definition: string
  readonly columns: readonly ProposedColumn[]
  /** Against the source that is there. */
  readonly diff: readonly ContractChange[]
  /** The proposal as data: what `definition` says. */
  readonly source: FilesSource
}

/** What a crawl looks at. */
export interface CrawlInput {
  readonly inbox: Inbox
  /** A pattern. */
  readonly path: string
  readonly existing?: FilesSource
}

/** How much of a file its dialect is guessed from. */
const sampleBytes = 1024 * 1024

/**
 * Proposes a contract for files; changes nothing.
 *
 * @example (await crawlFiles(session, { inbox: diskInbox('/project'), path: 'inbox/*.csv' })).definition
 * @throws Source.NothingFound; Source.CannotPropose where a file is of no kind that can be taken, or of another one than the first
 */
export async function crawlFiles(session: Session, input: CrawlInput): Promise<CrawlProposal> {
  await using inbox = readingFrom(input.inbox)
  const files = await openAll(inbox, input.path)
  const [first] = files
  if (first === undefined) throw sluiceError('Source.NothingFound', { path: printable(input.path) })
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-crawl-'))
  try {
    const guess = await guessAll(files, scratch)
    const base = allText(input.path, guess.format, guess.columns)
    const { columns, rows } =
      base.format.kind === 'parquet'
        ? await parquetColumns(session, files)
        : await textColumns(session, base, files, inbox, scratch)
    const source: FilesSource = {
      ...base,
      columns: Object.fromEntries(
        columns.flatMap(({ name, column }) => (column === undefined ? [] : [[name, column]])),
      ),
      ...(columns.some(({ column }) => column === undefined) && base.format.kind === 'parquet'
        ? { format: { kind: 'parquet', extraColumns: 'ignore' } as const }
        : {}),
    }
    return {
      files: files.map(({ path, bytes }) => ({ path, bytes, rows: rows.get(path) ?? 0 })),
      definition: definitionText(source, columns, guess.notes),
      columns,
      diff: input.existing === undefined ? [] : contractDiff(input.existing, source),
      source,
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** A delivery that can be read. */
interface FoundFile extends Delivery {
  readonly file: string
}

/** What matches, by path; a file that changes meanwhile is left out. */
async function openAll(inbox: Inbox, pattern: string): Promise<readonly FoundFile[]> {
  const files: FoundFile[] = []
  for await (const delivery of inbox.list(pattern)) {
    const opened = await inbox.open(delivery)
    if (opened !== undefined) files.push({ ...delivery, file: opened.file })
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

interface Guess {
  readonly format: FileFormat
  readonly columns: readonly SharedColumn[]
  readonly notes: readonly string[]
}

/** What one file says of itself. */
interface FileGuess extends Pick<Guess, 'format' | 'notes'> {
  readonly columns: readonly string[]
}

/**
 * One format, and the columns of all files.
 *
 * @throws Source.CannotPropose where the files are of several formats
 */
async function guessAll(files: readonly FoundFile[], scratch: string): Promise<Guess> {
  const guesses: (FileGuess & { readonly file: string })[] = []
  for (const file of files) {
    // An empty one says nothing.
    if (file.bytes === 0) continue
    guesses.push({ ...(await guessFormat(file, scratch)), file: printable(file.path) })
    // The footers of all Parquet files are read together.
    if (guesses[0]!.format.kind === 'parquet') break
  }
  const [first] = guesses
  if (first === undefined) throw cannotPropose(files[0]!.path, 'it is empty')
  const { format, notes } = first
  const other = guesses.find((guess) => JSON.stringify(guess.format) !== JSON.stringify(format))
  if (other !== undefined)
    throw cannotPropose(
      other.file,
      `it is ${formatInWords(other.format)}, and ${first.file} is ${formatInWords(format)}`,
    )
  const columns = sharedColumns(guesses)
  if (format.kind === 'jsonl') {
    const all = columns.flatMap(({ name, aliases }) => [name, ...aliases])
    return { format, notes, columns: all.map((name) => ({ name, aliases: [], optional: false })) }
  }
  return { format, columns, notes: [...notes, ...headersInWords(guesses)] }
}

function formatInWords({ kind, ...options }: FileFormat): string {
  const said = Object.entries(options).map(([name, value]) => `${name} ${JSON.stringify(value)}`)
  return said.length === 0 ? kind : `${kind} with ${said.join(', ')}`
}

function cannotPropose(file: string, why: string): Error {
  return sluiceError('Source.CannotPropose', { file: printable(file), why })
}

async function guessFormat(file: FoundFile, scratch: string): Promise<FileGuess> {
  const kind = kindOfFile(file.file)
  if (kind !== undefined && !['gzip', 'zstd', 'parquet', 'utf-16le', 'utf-16be'].includes(kind)) {
    throw cannotPropose(file.path, `it is ${kindInWords(kind)}; CSV, JSON Lines and Parquet are taken`)
  }
  const unpack = kind === 'gzip' ? gunzipFile : kind === 'zstd' ? unzstdFile : undefined
  const readable = unpack === undefined ? file.file : join(scratch, 'sample')
  await unpack?.(printable(file.path), file.file, readable, file.bytes, gunzipLimits)
  const sample = readSample(readable)
  const name = file.path.toLowerCase().replace(/\.(?:gz|zst)$/i, '')
  if (name.endsWith('.parquet') || sample.subarray(0, 4).toString('latin1') === 'PAR1') {
    return { format: { kind: 'parquet' }, columns: [], notes: [] }
  }
  const text = sample.toString('utf8').trimStart()
  if (/\.(jsonl|ndjson|json)$/.test(name) || text.startsWith('{"')) {
    if (text.startsWith('[')) {
      const why = 'it is one JSON array; JSON Lines (one object a line) can be taken'
      throw cannotPropose(file.path, why)
    }
    return { format: { kind: 'jsonl' }, columns: await jsonKeys(file.path, readable), notes: [] }
  }
  const { format, rows, notes } = sniffCsv(sample, sample.length < sampleBytes)
  const width = rows[0]?.length ?? 0
  const names = format.header === false ? Array.from({ length: width }, (_, at) => `column_${at + 1}`) : rows[0]
  return { format, columns: (names ?? []).map((column) => column ?? ''), notes }
}

function readSample(file: string): Buffer {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(sampleBytes)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, sampleBytes, 0))
  } finally {
    closeSync(descriptor)
  }
}

/** Every key of every object, in the order in which they first come. */
async function jsonKeys(path: string, file: string): Promise<readonly string[]> {
  const keys = new Set<string>()
  let why: string | undefined
  await readRecords(
    file,
    { dialect: dialectOf({ kind: 'jsonl' }) },
    {
      record(record) {
        const line = record.bytes.toString('utf8')
        try {
          JSON.parse(line)
        } catch (error) {
          why ??= `line ${record.line}: ${(error as Error).message}`
          return
        }
        const members = objectMembers(line)
        if (members instanceof JsonLineProblem) why ??= `line ${record.line}: ${members.detail}`
        else for (const key of members.keys()) keys.add(key)
      },
    },
  )
  if (keys.size === 0) {
    throw cannotPropose(path, printable(why ?? 'it has no object'))
  }
  return [...keys]
}

/** A contract that takes whatever is there, as text. */
function allText(path: string, format: FileFormat, columns: readonly SharedColumn[]): FilesSource {
  return {
    kind: 'files',
    path,
    format,
    columns: Object.fromEntries(
      columns.map((column) => [column.name, { type: 'text', nullable: true, ...sharedBy(column) } as const]),
    ),
    mode: 'append',
    checks: [],
    quarantine: { maxShare: 1 },
    duplicateContent: 'append',
    changedContent: 'append',
    archive: false,
    error: 'error',
  }
}

/** What of a column is because of headers that differ. */
function sharedBy({ aliases, optional }: SharedColumn): Pick<Column, 'aliases' | 'optional'> {
  return { ...(optional && { optional }), ...(aliases.length > 0 && { aliases }) }
}

async function textColumns(
  session: Session,
  source: FilesSource,
  files: readonly FoundFile[],
  inbox: Inbox,
  scratch: string,
): Promise<{ columns: readonly ProposedColumn[]; rows: ReadonlyMap<string, number> }> {
  const inputs = await Promise.all(
    files.map(async ({ path, file, bytes }) => {
      return { id: await hashFile(file, bytes), path, bytes, decision: 'take' as const }
    }),
  )
  await using trial = parquetTrial()
  const { units, refused } = await prepareUnits(inputs, {
    trial,
    inbox,
    clock: systemClock,
    source,
    session,
    scratch,
    signal: new AbortController().signal,
    progress: () => {},
  })
  const [failed] = refused
  // A crawl takes nothing, so what a run would say of what is published says nothing here.
  if (failed !== undefined)
    throw cannotPropose(failed.input.path, failed.error.message.replace(/\s*Nothing of it was published\.?$/, ''))
  const rows = new Map<string, number>()
  for (const { members } of units) {
    for (const { input, survey } of members) rows.set(input.path, survey.totals.records)
  }
  const hasRows = units.filter(({ members }) =>
    members.some(({ survey }) => survey.totals.records > survey.refused.length),
  )
  const bad = units.flatMap(({ members }) => members.flatMap(({ survey }) => survey.refused))
  const types = await proposeTypes(
    session,
    Object.keys(source.columns),
    hasRows.map(({ scan }) => scan),
  )
  const columns = types.map((one) => inFewerFiles(one, source.columns[one.name]!))
  if (bad.length === 0 || columns.length === 0) return { columns, rows }
  const [firstColumn, ...others] = columns
  const note = `${bad.length} records of the files are malformed and would be quarantined (the first at line ${bad[0]!.line}: ${bad[0]!.detail})`
  return { columns: [{ ...firstColumn!, note: [firstColumn!.note, note].filter(Boolean).join('; ') }, ...others], rows }
}

/** A column with what is because of headers that differ; one that a file lacks has missing values. */
function inFewerFiles(proposed: ProposedColumn, { aliases, optional }: Column): ProposedColumn {
  if (proposed.column === undefined || (aliases === undefined && optional === undefined)) return proposed
  const nullable = proposed.nullable || optional === true
  const column: Column = {
    ...proposed.column,
    ...(nullable ? { nullable } : {}),
    ...(optional === undefined ? {} : { optional }),
    ...(aliases === undefined ? {} : { aliases }),
  }
  return { ...proposed, nullable, column }
}

/** DuckDB's types and the contract's. */
const contractTypes: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'tinyint',
  SMALLINT: 'smallint',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'decimal(20,0)',
  FLOAT: 'real',
  DOUBLE: 'float',
  VARCHAR: 'text',
  BLOB: 'binary',
  DATE: 'date',
  TIME: 'time',
  TIMESTAMP: 'timestamp',
  TIMESTAMP_S: 'timestamp',
  TIMESTAMP_MS: 'timestamp',
  TIMESTAMP_NS: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
  UUID: 'uuid',
  JSON: 'json',
}

async function parquetColumns(
  session: Session,
  files: readonly FoundFile[],
): Promise<{ columns: readonly ProposedColumn[]; rows: ReadonlyMap<string, number> }> {
  const rows = new Map<string, number>()
  const [first] = files
  try {
    for (const { path, file } of files) rows.set(path, (await readFooter(session, file)).rows)
    const paths = files.map(({ file }) => file)
    const list = readParquetSql(paths, 'union_by_name = true')
    const described = await session.describe(`SELECT * FROM ${list}`)
    const [nulls] = await session.all<Record<string, string>>(`SELECT count(*) - count(COLUMNS(*)) FROM ${list}`)
    const missing = Object.values(nulls!).map(Number)
    return { rows, columns: described.map(({ name, type }, at) => parquetColumn(name, type, missing[at]! > 0)) }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    throw cannotPropose(first!.path, error.message)
  }
}

function parquetColumn(name: string, found: string, nullable: boolean): ProposedColumn {
  const type = contractTypes[found] ?? (/^DECIMAL/.test(found) ? (found.toLowerCase() as ColumnType) : undefined)
  if (type === undefined) {
    return { name, type: found, nullable, note: `${found} has no type of a contract: the column is left out` }
  }
  const column: Column = { type, ...(nullable ? { nullable } : {}) }
  return { name, type, nullable, column }
}
