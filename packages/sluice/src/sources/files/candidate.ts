/** What the scanned files come to: checks of the whole, quarantine, accounting. */
import { closeSync, openSync, readSync } from 'node:fs'
import { printable } from '../../base/printable.ts'
import { sourceColumns } from '../../definition/columns.ts'
import type { NewFile } from '../../lake/lake.ts'
import type { CheckResult, InputReference, RowAccounting } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { addAccounting, noRows, refusedShare } from '../../quality/accounting.ts'
import { type QuarantineWriter, quarantineWriter } from '../../quality/quarantine.ts'
import { checksFailed, type RowsOf } from '../../quality/rows/judge.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import type { Candidate, DiscoveredInput, RefusedInput, TakeContext } from '../source.ts'
import { type Member, type PrepareContext, refusal } from './prepare.ts'
import { fileContract } from './scan.ts'
import { recordFields } from './text/record-fields.ts'
import type { RefusedRecord } from './text/survey.ts'

/** A written file of a candidate. */
export type CandidateFile = NewFile

/** A member with the rows that it lost. */
export interface Judged {
  readonly member: Member
  readonly refused: readonly RefusedRecord[]
  readonly accounting: RowAccounting
  readonly checks: readonly CheckResult[]
}

/** A unit that has been scanned, with only the members that stay. */
export interface TakenUnit {
  readonly judged: readonly Judged[]
  readonly files: readonly CandidateFile[]
}

/** What the taking of files works with. */
export interface TakeFiles extends PrepareContext {
  readonly take: TakeContext
}

/** A file as the owner of its rows. */
export const rowsOf = ({ input }: Pick<Member, 'input'>): RowsOf => ({ what: printable(input.path), of: 'file' })

/** Checks of the whole candidate, then quarantine; or the refusal of all of its files. */
export async function finishCandidate(
  taken: readonly TakenUnit[],
  superseded: readonly DiscoveredInput[],
  context: TakeFiles,
): Promise<Candidate | readonly RefusedInput[]> {
  const { source } = context
  const judged = taken.flatMap((unit) => unit.judged)
  const files = taken.flatMap((unit) => unit.files)
  const tableChecks = await runTableChecks(context.take.session, {
    ...{
      relation: await context.take.session.from(relationOf({ fields: sourceColumns(source), files })),
      checks: fileContract(source).rest,
    },
    ...{ related: {}, now: context.clock.now() },
  })
  const refused = judged.flatMap(({ member }) => {
    const error = checksFailed(rowsOf(member), tableChecks)
    return error === undefined ? [] : [refusal(member.input, error)]
  })
  if (refused.length > 0) return refused
  const quarantine = await writeQuarantine(judged, context)
  const inputs = judged.map(({ member, accounting }) => reference(member.input, accounting))
  return {
    fields: sourceColumns(source),
    files,
    quarantine,
    inputs: [...inputs, ...superseded.map((input) => reference(input, noRows))],
    accounting: judged.map(({ accounting }) => accounting).reduce(addAccounting, noRows),
    checks: [...mergeChecks(judged), ...tableChecks],
    warnings: warningsOf(judged, superseded),
  }
}

function reference(input: DiscoveredInput, accounting: RowAccounting): InputReference {
  const { id, path, bytes, fileDate } = input
  return { kind: 'file', path, sha256: id, bytes, ...(fileDate === undefined ? {} : { fileDate }), accounting }
}

/** A file reports a cast only where it refused something, but it was asked of the rows of every file. */
function mergeChecks(judged: readonly Judged[]): readonly CheckResult[] {
  const total = judged.reduce((rows, { member }) => rows + member.survey.totals.records, 0)
  const byName = new Map<string, CheckResult>()
  for (const check of judged.flatMap(({ checks }) => checks)) {
    const other = byName.get(check.name)
    if (other === undefined) {
      byName.set(check.name, judged.length === 1 ? check : withTotal(check, total))
      continue
    }
    const failing = other.failing + check.failing
    const status = other.status === 'passed' ? check.status : other.status
    byName.set(check.name, withTotal({ ...other, status, failing }, total))
  }
  return [...byName.values()]
}

function withTotal({ detail: _, ...check }: CheckResult, total: number): CheckResult {
  return {
    ...check,
    total,
    ...(check.failing === 0 ? {} : { detail: refusedShare(check.failing, total) }),
  }
}

async function writeQuarantine(judged: readonly Judged[], context: TakeFiles): Promise<Candidate['quarantine']> {
  const writer = quarantineWriter(context.take.session, context.take.scratch)
  for (const { member, refused } of judged) if (refused.length > 0) addRefused(writer, member, refused, context.source)
  const written = await writer.finish()
  if (written === undefined) return []
  return [{ localFile: written.localFile, rows: written.rows, reasons: written.reasons }]
}

function addRefused(
  writer: QuarantineWriter,
  member: Member,
  refused: readonly RefusedRecord[],
  { columns, format }: TakeFiles['source'],
): void {
  const split = { ...member.survey, columns }
  const { path } = member.input
  const descriptor = openSync(member.localFile, 'r')
  const read = (offset: number, length: number): Buffer => {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
  }
  try {
    const { headerBytes } = member.survey.totals
    if (headerBytes > 0) writer.header(path, read(0, headerBytes))
    for (const { line, record, offset, length, reasons, text } of refused) {
      const bytes = text === undefined ? read(offset, length) : Buffer.from(text)
      const fields = recordFields(bytes, format, split)
      writer.add({ file: path, line, record, offset, bytes, reasons, ...(fields === undefined ? {} : { fields }) })
    }
  } finally {
    closeSync(descriptor)
  }
}

function warningsOf(judged: readonly Judged[], superseded: readonly DiscoveredInput[]): readonly string[] {
  return [
    ...judged.flatMap(({ member: { input, survey } }) => {
      const file = printable(input.path)
      if (survey.totals.records === 0) return [`W_EMPTY: "${file}" has no rows; it is recorded as taken with 0 rows.`]
      const { blankLines } = survey.totals
      return blankLines === 0 ? [] : [`"${file}" has ${blankLines} blank lines, which are no rows.`]
    }),
    ...superseded.map(({ path }) => `"${printable(path)}" was not read: a newer delivery replaces it.`),
  ]
}
