/** From discovered files to units that one scan each can read: the file itself, or normalised copies of one or many. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { FileFormat, FilesSource } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { Inbox } from '../../inbox/inbox.ts'
import type { DiscoveredInput, RefusedInput } from '../source.ts'
import { type FilesContext, hashFile, isIdentityOf, smallFileBytes } from './discover.ts'
import { surveyParquet } from './parquet.ts'
import type { ParquetTrial } from './parquet-trial.ts'
import { directColumns, type ScanInput } from './scan.ts'
import { type Dialect, dialectOf } from './text/dialect.ts'
import { gunzipFile, gunzipLimits } from './text/gunzip.ts'
import { isVerbatim, type NormalisedWriter, normalisedWriter, readCsvSql } from './text/normalised.ts'
import { type FileKind, kindInWords, kindOfFile } from './text/recognise.ts'
import { type FileColumns, type GoodRecords, type Survey, survey, textsOf } from './text/survey.ts'
import { unzstdFile } from './text/zstd.ts'

/** A file that is part of a unit. */
export interface Member {
  readonly input: DiscoveredInput
  /** What is read: the delivered file, or its unpacked copy. */
  readonly localFile: string
  /** Of the delivery when it was opened. */
  readonly identity: string
  readonly survey: Survey
}

/** What one scan reads. */
export interface Unit {
  /** `undefined` for Parquet. */
  readonly dialect: Dialect | undefined
  readonly members: Member[]
  readonly scan: ScanInput
}

/** What preparing needs; what is opened through its inbox is read until everything has been taken. */
export interface PrepareContext extends FilesContext {
  readonly source: FilesSource
  readonly session: Session
  readonly scratch: string
  readonly signal: AbortSignal
  /** What reads suspicious Parquet files first. */
  readonly trial: ParquetTrial
  readonly progress: (bytes: number, rows: number, input: string) => void
}

/** What refuses rows as a whole, for what they are and not for how they came. */
const ofRows: readonly string[] = ['Quality.TooManyRefused', 'Quality.ChecksFailed', 'Quality.RowCount']

/** One error as a refusal; anything that says nothing of the input goes on. */
export function refusal(input: DiscoveredInput, error: unknown): RefusedInput {
  if (!isSluiceError(error) || !(error.name.startsWith('Source.') || ofRows.includes(error.name))) throw error
  const { name, code, message, hint } = error
  return { input, error: { name, code, message, ...(hint === undefined ? {} : { hint }) } }
}

interface Batch {
  readonly columns: FileColumns
  readonly writer: NormalisedWriter
  readonly members: Member[]
}

/** Surveys files one by one and puts them into units; files that cannot be taken are refused, each by itself. */
export async function prepareUnits(
  inputs: readonly DiscoveredInput[],
  context: PrepareContext,
): Promise<{ readonly units: readonly Unit[]; readonly refused: readonly RefusedInput[] }> {
  const format = context.source.format
  const dialect = format.kind === 'parquet' ? undefined : dialectOf(format)
  const batches = new Map<string, Batch>()
  const units: Unit[] = []
  const refused: RefusedInput[] = []
  for (const [number, input] of inputs.entries()) {
    context.signal.throwIfAborted()
    try {
      const opened = await openInput(input, number, context)
      if (dialect === undefined) {
        units.push(await parquetUnit(opened, number, context))
        continue
      }
      if (opened.bytes >= smallFileBytes) units.push(await prepareLarge(opened, number, dialect, context))
      else await addToBatch(opened, dialect, batches, context)
    } catch (error) {
      refused.push(refusal(input, error))
    }
  }
  for (const { writer, members, columns } of batches.values()) {
    writer.flush(true)
    writer.close()
    if (members.length > 0) units.push({ dialect, members, scan: carriedScan(writer, members, columns) })
  }
  return { units, refused }
}

function carriedScan(writer: NormalisedWriter, members: readonly Member[], columns: FileColumns): ScanInput {
  return {
    fields: columns.fields,
    positions: columns.positions,
    relation: writer.sql(),
    isCarried: true,
    files: members.map(({ input }) => fileConstants(input)),
  }
}

const fileConstants = ({ path, fileDate }: DiscoveredInput) => ({
  path,
  ...(fileDate === undefined ? {} : { fileDate }),
})

/** An inbox of which everything that was opened ends together. */
export type Reading = Inbox & AsyncDisposable

/**
 * An inbox that keeps what is opened until it ends itself.
 *
 * @example await using reading = readingFrom(inbox)
 */
export function readingFrom(inbox: Inbox): Reading {
  const opened: AsyncDisposable[] = []
  return {
    ...inbox,
    async open(delivery) {
      const one = await inbox.open(delivery)
      if (one !== undefined) opened.push(one)
      return one
    },
    async [Symbol.asyncDispose]() {
      for (const one of opened) await one[Symbol.asyncDispose]()
    },
  }
}

interface Opened {
  readonly input: DiscoveredInput
  readonly localFile: string
  readonly identity: string
  readonly bytes: number
  /** Whether the bytes that are read are the delivered ones, so that their digest is the identity. */
  readonly isDelivered: boolean
}

/**
 * Opens an input as it was discovered, unpacked where it is packed.
 *
 * @throws Source.InputChanged, Source.TooLarge, Source.FileKind, Source.CompressionLimit, Source.ArchiveCorrupt
 */
export async function openInput(input: DiscoveredInput, number: number, context: PrepareContext): Promise<Opened> {
  const { source, inbox, scratch, signal } = context
  const name = printable(input.path)
  const limits = { ...gunzipLimits, ...source.limits }
  const found = await inbox.stat(input.path)
  if (found === undefined || found.bytes !== input.bytes) throw sluiceError('Source.InputChanged', { file: name })
  const { bytes, identity } = found
  if (bytes > limits.maxBytes) throw sluiceError('Source.TooLarge', { file: name, bytes, limit: limits.maxBytes })
  const opened = await inbox.open(found)
  if (opened === undefined) throw sluiceError('Source.InputChanged', { file: name })
  const packing = packingOf(name, opened.file, source.format)
  if (packing === undefined) return { input, localFile: opened.file, identity, bytes, isDelivered: true }
  await assertDelivered(input, identity, opened.file, bytes)
  const localFile = join(scratch, `unpacked-${number}`)
  const unpack = packing === 'gzip' ? gunzipFile : unzstdFile
  await unpack(name, opened.file, localFile, bytes, limits, signal)
  assertKind(name, kindOfFile(localFile), source.format)
  return { input, localFile, identity, bytes: statSync(localFile).size, isDelivered: false }
}

/**
 * What a file of text is packed with: its first bytes say so, or its name or its format promise it.
 *
 * @throws Source.FileKind, Source.EncodingDetected
 */
function packingOf(name: string, localFile: string, format: FileFormat): 'gzip' | 'zstd' | undefined {
  const kind = kindOfFile(localFile)
  const declared = format.kind === 'parquet' ? 'none' : format.compression
  if ((kind === 'gzip' || kind === 'zstd') && declared !== 'none') return kind
  assertKind(name, kind, format)
  if (declared === 'none') return undefined
  return declared ?? (/\.gz$/i.test(name) ? 'gzip' : /\.zst$/i.test(name) ? 'zstd' : undefined)
}

/** @throws Source.FileKind, Source.EncodingDetected where a file is recognised for what its format does not take */
function assertKind(file: string, kind: FileKind | undefined, format: FileFormat): void {
  if (kind === undefined || kind === format.kind) return
  if (kind === 'utf-16le' || kind === 'utf-16be') {
    const declared = format.kind === 'csv' ? (format.encoding ?? 'utf-8') : 'utf-8'
    if (format.kind === 'parquet' || declared.startsWith('utf-16')) return
    throw sluiceError('Source.EncodingDetected', { file, declared, found: kind })
  }
  const accept =
    kind === 'parquet'
      ? "declare format: { kind: 'parquet' } for a source of such files"
      : (kind === 'gzip' || kind === 'zstd') && format.kind !== 'parquet' && format.compression === 'none'
        ? "leave out compression: 'none'"
        : undefined
  throw sluiceError('Source.FileKind', { file, kind: kindInWords(kind), declared: format.kind, accept })
}

/** @throws Source.InputChanged where the content is no longer what was discovered (IN-24) */
function assertIdentity(input: DiscoveredInput, contentSha256: string): void {
  const isSame = isIdentityOf(input, contentSha256)
  if (!isSame) throw sluiceError('Source.InputChanged', { file: printable(input.path) })
}

/** The same of a file that no survey hashes on its way; it is read for that only where the inbox says that it may be another one. */
async function assertDelivered(input: DiscoveredInput, identity: string, file: string, bytes: number): Promise<void> {
  if (identity !== input.identity) assertIdentity(input, await hashFile(file, bytes))
}

/** @throws Source.InputChanged where the delivered file is not as it was when it was opened */
export async function assertUnchanged(
  { input, identity }: Pick<Member, 'input' | 'identity'>,
  inbox: Inbox,
): Promise<void> {
  if ((await inbox.stat(input.path))?.identity !== identity)
    throw sluiceError('Source.InputChanged', { file: printable(input.path) })
}

async function parquetUnit(opened: Opened, number: number, context: PrepareContext): Promise<Unit> {
  const { input, localFile, identity, bytes } = opened
  await assertDelivered(input, identity, localFile, bytes)
  const { session, source, scratch } = context
  const exactCopy = join(scratch, `exact-${number}.parquet`)
  const { survey: found, scan } = await surveyParquet(session, input.path, localFile, bytes, source, {
    ...{ exactCopy, trial: context.trial },
  })
  const { fields, positions } = found
  context.progress(bytes, found.totals.records, input.path)
  const files = [fileConstants(input)]
  return {
    dialect: undefined,
    members: [{ input, localFile, identity, survey: found }],
    scan: { ...scan, fields, positions, isCarried: true, files },
  }
}

async function prepareLarge(opened: Opened, number: number, dialect: Dialect, context: PrepareContext): Promise<Unit> {
  const { source, signal } = context
  const { input, localFile, identity } = opened
  const found = await survey(input.path, localFile, source, dialect, undefined, signal)
  if (opened.isDelivered) assertIdentity(input, found.totals.sha256)
  context.progress(found.totals.bytes, found.totals.records, input.path)
  const member: Member = { input, localFile, identity, survey: found }
  const isDirect = found.isPlain && isVerbatim(dialect) && source.rowNumbers !== true
  return isDirect ? directUnit(member, dialect) : copiedUnit(member, number, dialect, context)
}

function directUnit(member: Member, dialect: Dialect): Unit {
  const { fields, positions, totals } = member.survey
  const relation = readCsvSql(member.localFile, {
    columns: directColumns(fields),
    delimiter: String.fromCharCode(dialect.delimiter[0]!),
    quote: dialect.quote < 0 ? '' : String.fromCharCode(dialect.quote),
    header: dialect.header,
    longest: totals.longest,
    isLf: totals.lineEnd === 'lf',
  })
  const files = [fileConstants(member.input)]
  return { dialect, members: [member], scan: { fields, positions, relation, isCarried: false, files } }
}

/** The same file as a normalised copy, in which every record has its number. */
export async function copiedUnit(
  member: Member,
  number: number | string,
  dialect: Dialect,
  context: PrepareContext,
): Promise<Unit> {
  const { fields, positions } = member.survey
  const writer = openWriter(join(context.scratch, `copy-${number}.csv`), dialect, fields)
  writer.begin(0)
  const sink = { good: writer.add, pause: () => writer.flush() }
  const again = await survey(member.input.path, member.localFile, context.source, dialect, sink, context.signal)
  writer.flush(true)
  writer.close()
  if (again.totals.sha256 !== member.survey.totals.sha256) {
    throw sluiceError('Source.InputChanged', { file: printable(member.input.path) })
  }
  return { dialect, members: [member], scan: carriedScan(writer, [member], { fields, positions }) }
}

function openWriter(file: string, dialect: Dialect, fields: number): NormalisedWriter {
  const texts = isVerbatim(dialect) ? undefined : (record: Parameters<typeof textsOf>[0]) => textsOf(record, dialect)
  return normalisedWriter(file, dialect, fields, texts)
}

async function addToBatch(
  opened: Opened,
  dialect: Dialect,
  batches: Map<string, Batch>,
  context: PrepareContext,
): Promise<void> {
  const { input, localFile, identity } = opened
  const bytes = readFileSync(localFile)
  let batch: Batch | undefined
  const sink: GoodRecords = {
    columns(columns) {
      const key = JSON.stringify(columns)
      batch = batches.get(key)
      if (batch === undefined) {
        const file = join(context.scratch, `batch-${batches.size}.csv`)
        batch = { columns, writer: openWriter(file, dialect, columns.fields), members: [] }
        batches.set(key, batch)
      }
      batch.writer.begin(batch.members.length)
    },
    good: (record) => batch!.writer.add(record),
  }
  try {
    const found = await survey(input.path, bytes, context.source, dialect, sink, context.signal)
    if (opened.isDelivered) assertIdentity(input, found.totals.sha256)
    context.progress(found.totals.bytes, found.totals.records, input.path)
    // An empty file has no header, so no batch: it is a unit of nothing.
    batch ??= emptyBatch(batches, dialect, context)
    batch.members.push({ input, localFile, identity, survey: found })
    batch.writer.flush()
  } catch (error) {
    batch?.writer.undo()
    throw error
  }
}

function emptyBatch(batches: Map<string, Batch>, dialect: Dialect, context: PrepareContext): Batch {
  const first = batches.values().next().value
  if (first !== undefined) return first
  const columns = { fields: 0, positions: [] }
  const file = join(context.scratch, 'batch-empty.csv')
  const batch = { columns, writer: openWriter(file, dialect, 0), members: [] }
  batches.set('empty', batch)
  return batch
}
