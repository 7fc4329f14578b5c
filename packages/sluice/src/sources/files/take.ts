/** Takes files into a candidate: survey, scan, find refused rows back, account for every row and byte. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import { sourceColumns } from '../../definition/columns.ts'
import { grownSource } from '../../definition/grown.ts'
import type { FilesSource } from '../../definition/types.ts'
import type { RowAccounting } from '../../lake/record.ts'
import { addAccounting, assertBalanced, noRows } from '../../quality/accounting.ts'
import { refusedCounter } from '../../quality/quarantine.ts'
import { assertRowCount, judgeRows, tooManyRefused } from '../../quality/rows/judge.ts'
import { acceptedFiles } from '../../quality/rows/scan.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { Candidate, DiscoveredInput, RefusedInput, TakeContext } from '../source.ts'
import { finishCandidate, type Judged, rowsOf, type TakeFiles, type TakenUnit } from './candidate.ts'
import { type FilesContext, smallFileBytes } from './discover.ts'
import { grownByFiles } from './grow.ts'
import { assertReadable, locateParquet } from './parquet.ts'
import { parquetTrial } from './parquet-trial.ts'
import { assertUnchanged, copiedUnit, type Member, prepareUnits, refusal, type Unit } from './prepare.ts'
import { fileContract, type ScanResult, scanRows } from './scan.ts'
import type { Dialect } from './text/dialect.ts'
import { isOfDrift, namesInWords } from './text/header.ts'
import { type LocateOptions, locateByTexts, locateNumbered } from './text/locate.ts'
import { carried } from './text/normalised.ts'
import { assertHeld, type RefusedRecord } from './text/survey.ts'

/**
 * Takes the inputs whose decision is `take`, in their order.
 *
 * @throws Quality.RowsUnaccounted and its kin, which only a bug can bring about
 */
export async function takeFiles(
  source: FilesSource,
  context: FilesContext,
  inputs: readonly DiscoveredInput[],
  take: TakeContext,
): Promise<{ readonly candidate: Candidate | undefined; readonly refused: readonly RefusedInput[] }> {
  const wanted = inputs.filter(({ decision }) => decision === 'take')
  const refused: RefusedInput[] = []
  const folder = join(take.scratch, 'files')
  mkdirSync(folder, { recursive: true })
  await using trial = parquetTrial()
  const given: TakeFiles = {
    ...context,
    source: grownSource(source, take.current?.fields ?? []),
    take,
    session: take.session,
    scratch: folder,
    signal: take.signal,
    trial,
    progress: (bytes, rows, input) => take.progress({ bytes, rows, input }),
  }
  const files = source.drift === 'evolve' ? { ...given, source: await grownByFiles(wanted, given) } : given
  // A table that is its newest delivery alone reads only that; where it is refused, the one before it stands in.
  const rounds = source.mode === 'replace' ? [...wanted].reverse().map((input) => [input]) : [wanted]
  const superseded: DiscoveredInput[] = []
  let taken: readonly TakenUnit[] = []
  for (const [round, some] of rounds.entries()) {
    if (taken.length > 0) superseded.push(...some)
    else taken = await takeRound(some, { ...files, scratch: join(folder, String(round)) }, refused)
  }
  if (taken.length === 0) return { candidate: undefined, refused }
  const finished = await finishCandidate(taken, superseded, files)
  if (!('fields' in finished)) return { candidate: undefined, refused: [...refused, ...finished] }
  const more = Object.keys(files.source.columns).filter((name) => !Object.hasOwn(given.source.columns, name))
  const news = more.length === 0 ? [] : [`Files brought new columns, which the table takes: ${namesInWords(more)}.`]
  return { candidate: { ...finished, warnings: [...finished.warnings, ...news] }, refused }
}

async function takeRound(
  inputs: readonly DiscoveredInput[],
  context: TakeFiles,
  refused: RefusedInput[],
): Promise<readonly TakenUnit[]> {
  mkdirSync(context.scratch, { recursive: true })
  const prepared = await prepareUnits(inputs, context)
  refused.push(...prepared.refused)
  const taken: TakenUnit[] = []
  const previous = [...(context.previousRows ?? [])]
  for (const [number, unit] of prepared.units.entries()) {
    const one = await takeUnit(unit, number, context, previous, refused)
    if (one.judged.length > 0) taken.push(one)
  }
  return taken
}

/** Scans a unit until only members that stay are in it. */
async function takeUnit(
  unit: Unit,
  number: number,
  context: TakeFiles,
  previous: number[],
  refused: RefusedInput[],
): Promise<TakenUnit> {
  const gone = new Set<number>()
  const drop = (place: number, error: unknown): void => {
    refused.push(refusal(unit.members[place]!.input, error))
    gone.add(place)
  }
  for (const [place, member] of unit.members.entries()) {
    try {
      assertRowCount(rowsOf(member), context.source.rowCount, member.survey.totals.records, previous)
    } catch (error) {
      drop(place, error)
    }
  }
  for (let round = 0; ; round++) {
    const scanned = await scanOrRefuse(unit, `${number}-${round}`, gone, context, drop)
    if (scanned === undefined) return { judged: [], files: [] }
    const { scan, lost } = scanned
    const judged: Judged[] = []
    const before = gone.size
    for (const [place, member] of unit.members.entries()) {
      if (gone.has(place)) continue
      try {
        await assertUnchanged(member, context.inbox)
        judged.push(judgeMember(member, lost.get(place) ?? [], context.source))
      } catch (error) {
        drop(place, error)
      }
    }
    // Rows of a dropped member may have been written: once more without it.
    if (gone.size > before && gone.size < unit.members.length) continue
    if (gone.size === unit.members.length) return { judged: [], files: [] }
    const accepted = judged.reduce((sum, { accounting }) => sum + accounting.accepted, 0)
    const what = unit.members.length === 1 ? printable(unit.members[0]!.input.path) : `${judged.length} files`
    assertBalanced(what, judged.map(({ accounting }) => accounting).reduce(addAccounting, noRows), scan.accepted)
    if (accepted !== scan.accepted) throw sluiceError('Internal', { why: 'the accounting of a unit was asserted' })
    previous.push(...judged.map(({ member }) => member.survey.totals.records))
    const columns = sourceColumns(context.source).map(({ name }) => name)
    return { judged, files: acceptedFiles(scan.written, columns) }
  }
}

/** A file that shows only in its scan that it cannot be read refuses its unit, which is its own. */
async function scanOrRefuse(
  unit: Unit,
  name: string,
  gone: ReadonlySet<number>,
  context: TakeFiles,
  drop: (place: number, error: unknown) => void,
): Promise<Awaited<ReturnType<typeof scanUnit>> | undefined> {
  try {
    return await scanUnit(unit, name, gone, context)
  } catch (error) {
    if (unit.members.length > 1) throw error
    drop(0, error)
    return undefined
  }
}

/** Runs the scan, and once more over a numbered copy where the first could not say which records it refused. */
async function scanUnit(
  unit: Unit,
  name: string,
  gone: ReadonlySet<number>,
  context: TakeFiles,
): Promise<{ scan: ScanResult; lost: ReadonlyMap<number, readonly RefusedRecord[]> }> {
  const good = unit.members
    .filter((_, place) => !gone.has(place))
    .reduce((sum, { survey }) => sum + survey.totals.records - survey.refused.length, 0)
  const nothing: ScanResult = { written: [], accepted: 0, captured: [], isOverflow: false }
  if (good === 0) return { scan: nothing, lost: new Map() }
  const { session } = context.take
  const folder = join(context.scratch, `scan-${name}`)
  mkdirSync(folder, { recursive: true })
  let { scan: input } = unit
  if (gone.size > 0 && input.isCarried) {
    const without = [...gone].map((place) => quoteText(String(place))).join(', ')
    const relation = `(SELECT * FROM ${input.relation} WHERE ${quoteIdentifier(carried.file)} NOT IN (${without}))`
    input = { ...input, relation }
  }
  const scan = await attemptScan(() => scanRows(session, context.source, input, folder), unit, context)
  if (unit.dialect === undefined) assertFooterRows(unit.members[0]!, scan!)
  if (input.isCarried) {
    if (scan!.isOverflow) {
      const limit = `at least ${scan!.captured.length} of ${good} rows were refused, more than are kept of one scan`
      throw tooManyRefused(rowsOf(unit.members[0]!), limit)
    }
    return { scan: scan!, lost: await locateAll(unit, scan!, context) }
  }
  const [member] = unit.members
  const isWhole = scan !== undefined && !scan.isOverflow && scan.accepted + scan.captured.length === good
  const records = isWhole ? await locateDirect(unit.dialect!, member!, scan, context) : undefined
  if (records !== undefined) return { scan: scan!, lost: new Map([[0, records]]) }
  const copy = await copiedUnit(member!, `${name}-again`, unit.dialect!, context)
  return scanUnit(copy, `${name}-again`, gone, context)
}

/** DuckDB may refuse a file that is well formed; then its numbered copy is read. A damaged Parquet file is refused. */
async function attemptScan(
  scan: () => Promise<ScanResult>,
  unit: Unit,
  context: TakeFiles,
): Promise<ScanResult | undefined> {
  try {
    return await scan()
  } catch (error) {
    const isReading = isSluiceError(error, 'Engine.Failed') || isSluiceError(error, 'Engine.OutOfMemory')
    if (unit.scan.isCarried && isSluiceError(error, 'Engine.OutOfMemory')) assertFits(unit, error)
    if (!isReading || (unit.scan.isCarried && unit.dialect !== undefined)) throw error
    if (unit.dialect !== undefined) return undefined
    const [member] = unit.members
    await assertReadable(context.take.session, member!.input.path, member!.localFile)
    throw error
  }
}

/** @throws Source.RecordTooLarge where a record of the one file is so large that memory ended */
function assertFits({ members, dialect }: Unit, cause: Error): void {
  const [member] = members
  const bytes = member?.survey.totals.longest ?? 0
  if (members.length !== 1 || dialect === undefined || bytes <= smallFileBytes) return
  const file = printable(member!.input.path)
  throw sluiceError('Source.RecordTooLarge', { file, line: 0, offset: 0, bytes }, { cause })
}

/** @throws Source.Format where the footer of a Parquet file promises other rows than there are */
function assertFooterRows(member: Member, scan: ScanResult): void {
  const [promised, found] = [member.survey.totals.records, scan.accepted + scan.captured.length]
  if (promised === found || scan.isOverflow) return
  const why = `its footer promises ${promised} rows, ${found} were found`
  throw sluiceError('Source.Format', { file: printable(member.input.path), why })
}

function locateOptions(member: Member, context: TakeFiles): LocateOptions {
  return {
    fields: member.survey.fields,
    blankRecords: Object.keys(context.source.columns).length === 1,
    signal: context.signal,
  }
}

async function locateDirect(
  dialect: Dialect,
  member: Member,
  scan: ScanResult,
  context: TakeFiles,
): Promise<readonly RefusedRecord[] | undefined> {
  if (scan.captured.length === 0) return []
  return locateByTexts(member.localFile, dialect, scan.captured, locateOptions(member, context))
}

async function locateAll(
  unit: Unit,
  scan: ScanResult,
  context: TakeFiles,
): Promise<ReadonlyMap<number, readonly RefusedRecord[]>> {
  const byFile = groupByFile(scan)
  const lost = new Map<number, readonly RefusedRecord[]>()
  for (const [place, rows] of byFile) {
    const member = unit.members[place]!
    const found =
      unit.dialect === undefined
        ? await locateParquet(context.take.session, member.localFile, rows)
        : await locateNumbered(member.localFile, unit.dialect, rows, locateOptions(member, context))
    lost.set(place, found)
  }
  return lost
}

function groupByFile(scan: ScanResult): Map<number, ScanResult['captured'][number][]> {
  const byFile = new Map<number, ScanResult['captured'][number][]>()
  for (const row of scan.captured) {
    const rows = byFile.get(row.file)
    if (rows === undefined) byFile.set(row.file, [row])
    else rows.push(row)
  }
  return byFile
}

/** @throws Quality.TooManyRefused, Quality.ChecksFailed, Source.RecordTooLarge */
function judgeMember(member: Member, lost: readonly RefusedRecord[], source: FilesSource): Judged {
  const { totals } = member.survey
  const refused = [...member.survey.refused, ...lost].sort((a, b) => a.record - b.record)
  const counter = refusedCounter()
  let drifted = 0
  for (const { reasons, line, offset, length } of refused) {
    assertHeld(member.input.path, { line, offset, bytes: length })
    // What the columns of a file refuse is no fault of the rows: it counts for no limit.
    if (isOfDrift(reasons)) drifted++
    else counter.add(reasons)
  }
  const where = refused[0] === undefined ? '' : ` (the first at line ${refused[0].line})`
  const { records: rows, aside, bytes: total, headerBytes: header, recordBytes: records } = totals
  const checks = judgeRows(
    rowsOf(member),
    fileContract(source),
    source.quarantine,
    counter.counts(),
    rows - drifted,
    where,
  )
  const dropped: { readonly [line: string]: number } = { ...aside }
  const read = Object.values(dropped).reduce((sum, lines) => sum + lines, rows)
  const accounting: RowAccounting = {
    ...{ read, accepted: rows - refused.length, quarantined: refused.length, dropped },
    bytes: { total, header, records },
  }
  return { member, refused, accounting, checks }
}
