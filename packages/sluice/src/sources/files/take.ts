/** Takes files into a candidate: survey, scan, find refused rows back, account for every row and byte. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { isSluiceError, sluiceError } from '../../base/errors.ts'
import type { Check, FilesSource } from '../../definition/types.ts'
import type { RowAccounting } from '../../lake/record.ts'
import {
  addAccounting,
  assertBalanced,
  exceedsLimits,
  noRows,
  rowCountOutside,
  ruleResults,
} from '../../quality/accounting.ts'
import { checkNames } from '../../quality/rules.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { Candidate, DiscoveredInput, RefusedInput, TakeContext } from '../source.ts'
import { type CandidateFile, finishCandidate, type Judged, type TakeFiles, type TakenUnit } from './candidate.ts'
import type { FilesContext } from './discover.ts'
import { assertReadable, locateParquet } from './parquet.ts'
import { assertUnchanged, copiedUnit, type Member, prepareUnits, refusal, type Unit } from './prepare.ts'
import { addedColumns, fileKeys, rowContract, type ScanResult, scanRows } from './scan.ts'
import type { Dialect } from './text/dialect.ts'
import { type LocateOptions, locateByTexts, locateNumbered } from './text/locate.ts'
import { carried } from './text/normalised.ts'
import { printable } from './text/printable.ts'
import type { RefusedRecord } from './text/survey.ts'

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
  const files: TakeFiles = {
    ...context,
    source,
    take,
    session: take.session,
    scratch: folder,
    signal: take.signal,
    progress: (bytes, rows, input) => take.progress({ bytes, rows, input }),
  }
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
  return Array.isArray(finished)
    ? { candidate: undefined, refused: [...refused, ...finished] }
    : { candidate: finished as Candidate, refused }
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
    const error = guardRowCount(member, context.source, previous)
    if (error !== undefined) drop(place, error)
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
        assertUnchanged(member, context.root)
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
    previous.push(...judged.map(({ accounting }) => accounting.read))
    return { judged, files: scan.written.map((file) => candidateFile(file, context.source)) }
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
      throw sluiceError('Source.TooManyRefused', {
        file: printable(unit.members[0]!.input.path),
        refused: scan!.captured.length,
        read: good,
        limit: `at least ${scan!.captured.length} of ${good} rows were refused, more than are kept of one scan`,
        reasons: 'not counted',
      })
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
    if (!isReading || (unit.scan.isCarried && unit.dialect !== undefined)) throw error
    if (unit.dialect !== undefined) return undefined
    const [member] = unit.members
    await assertReadable(context.take.session, member!.input.path, member!.localFile)
    throw error
  }
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

function guardRowCount(member: Member, source: FilesSource, previous: readonly number[]): Error | undefined {
  if (source.rowCount === undefined) return undefined
  const rows = member.survey.totals.records
  const outside = rowCountOutside(source.rowCount, rows, previous)
  if (outside === undefined) return undefined
  return sluiceError('Source.RowCount', { file: printable(member.input.path), rows, expected: outside })
}

/** @throws Source.TooManyRefused, Source.CheckFailed */
function judgeMember(member: Member, lost: readonly RefusedRecord[], source: FilesSource): Judged {
  const { totals } = member.survey
  const refused = [...member.survey.refused, ...lost].sort((a, b) => a.record - b.record)
  const file = printable(member.input.path)
  const broken = new Map<string, number>()
  const first = new Map<string, number>()
  for (const { reasons } of refused) {
    for (const reason of new Set(reasons)) broken.set(reason, (broken.get(reason) ?? 0) + 1)
    first.set(reasons[0]!, (first.get(reasons[0]!) ?? 0) + 1)
  }
  const limit = exceedsLimits(source.quarantine, refused.length, totals.records)
  if (limit !== undefined) {
    const reasons = [...first].map(([reason, rows]) => `${reason} ${rows}`).join(', ')
    const counts = { refused: refused.length, read: totals.records }
    const where = refused[0] === undefined ? '' : ` (the first at line ${refused[0].line})`
    throw sluiceError('Source.TooManyRefused', { file, ...counts, limit, reasons: `${reasons}${where}` })
  }
  const { rules } = rowContract(source)
  const keyRules = fileKeys(source).map((key) => ({
    name: key.name,
    kind: 'unique',
    columns: key.columns,
    valid: '',
    severity: 'error' as const,
    action: 'quarantine' as const,
    ...limitsOf(source, key.name),
  }))
  const checks = ruleResults([...rules, ...keyRules], broken, totals.records)
  const failed = checks.filter(({ status }) => status === 'failed')
  if (failed.length > 0) {
    const words = failed.map(({ name, detail }) => `${name} (${detail ?? ''})`).join(', ')
    throw sluiceError('Source.CheckFailed', { file, checks: words })
  }
  const accounting: RowAccounting = {
    read: totals.records,
    accepted: totals.records - refused.length,
    quarantined: refused.length,
    dropped: {},
    bytes: { total: totals.bytes, header: totals.headerBytes, records: totals.recordBytes },
  }
  return { member, refused, accounting, checks }
}

function limitsOf(source: FilesSource, name: string): Pick<Check, 'maxShare' | 'maxCount'> {
  const check = source.checks[checkNames(source.checks).indexOf(name)]
  return {
    ...(check?.maxShare === undefined ? {} : { maxShare: check.maxShare }),
    ...(check?.maxCount === undefined ? {} : { maxCount: check.maxCount }),
  }
}

/** Statistics of text longer than this are left out. */
const longestStatistic = 64

function candidateFile(file: ScanResult['written'][number], source: FilesSource): CandidateFile {
  const isShort = (text: string | undefined): boolean => text !== undefined && text.length <= longestStatistic
  const stats = Object.entries(file.stats).map(([column, { min, max, nulls }]) => [
    column,
    { ...(isShort(min) ? { min } : {}), ...(isShort(max) ? { max } : {}), nulls },
  ])
  return {
    localFile: file.file,
    rows: file.rows,
    stats: Object.fromEntries(stats),
    fields: [...Object.keys(source.columns), ...addedColumns(source).map(({ name }) => name)],
  }
}
