/** Makes a version of a table of changes: from those that came since its last version, or from all of them where that would not be the same. */

import { assert } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { currentRows } from '../../changes/current.ts'
import { assertDms, dmsColumns, dmsLogSql, dmsTable } from '../../changes/dms.ts'
import { foldChanges, foldedSelect, historySelect } from '../../changes/fold.ts'
import { type Judge, openJudge } from '../../changes/judge.ts'
import { addedColumns } from '../../definition/columns.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { ChangesModel } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { type Growth, identityOf, rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, DataFile, RowAccounting } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quarantineWriter } from '../../quality/quarantine.ts'
import { judgeRows, type RowsOf } from '../../quality/rows/judge.ts'
import { acceptedFiles } from '../../quality/rows/scan.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { type ModelCandidate, relatedTables } from './check.ts'
import { projectReach } from './confine.ts'
import { resolveInputs } from './inputs.ts'
import { publish } from './publish.ts'

/** How far a version has come in the log. */
interface Mark {
  /** The log's version. */
  readonly version: number
  /** The identity of the files that the log had then: where they are still its first ones, in whatever files, the rest is new. */
  readonly files: string
}

/** What a task works with. */
interface Making {
  readonly context: TaskContext
  readonly session: Session
  readonly model: ChangesModel
  readonly log: CommitRecord
  readonly current: CommitRecord | undefined
  /** The log's files that are new; all of them for a version from scratch. */
  readonly fresh: readonly DataFile[]
  readonly isIncremental: boolean
}

/**
 * Runs the task of a table of changes.
 *
 * @throws Changes.*, Quality.ChecksFailed
 */
export async function runChanges(context: TaskContext): Promise<TaskOutcome> {
  const { project, task, lake } = context
  const model = projectIndex(project).model(task.table)?.model
  assert(model?.kind === 'changes', `the plan's table of changes ${task.table} is defined`)
  const [log] = await resolveInputs(context)
  assert(log !== undefined, 'a table of changes has one input')
  const inputs = [{ kind: 'table' as const, table: log.table, version: rowsVersion(log) }]
  const forced = task.reason === 'forced' ? { forced: context.run } : {}
  const taskKey = digest({ definition: task.definition, inputs, ...forced })
  const current = await lake.current(task.table)
  if (current?.taskKey === taskKey) return { status: 'unchanged', version: current.version }

  await using session = await context.engine.open({ signal: context.signal })
  await session.conserve()
  await session.confine(projectReach(context))
  const grown = isForced(context) ? undefined : await growthOf(context, current, log)
  const isIncremental = grown !== undefined && !(await comeLate(session, model, log, grown))
  const fresh = isIncremental ? grown.fresh : log.files
  const making: Making = { context, session, model, log, current, fresh, isIncremental }
  const candidate = await makeCandidate(making)
  if (isIncremental && current !== undefined && candidate.accounting.read === 0)
    return { status: 'unchanged', version: current.version, accounting: candidate.accounting }
  // The first version replaces nothing: a load that only adds can begin with it.
  const isAppend = model.as === 'history' && (making.isIncremental || current === undefined)
  const record = await publish(
    context,
    session,
    { ...candidate, inputs, watermark: JSON.stringify(markOf(log)) },
    { taskKey, operation: isAppend ? 'append' : 'replace', expectedParent: current?.version ?? 0 },
  )
  return { status: 'succeeded', version: record.version, accounting: record.accounting }
}

const isForced = ({ task }: TaskContext): boolean => task.reason === 'forced'

const markOf = (log: CommitRecord): Mark => ({ version: rowsVersion(log), files: identityOf(log.files) })

/** What the log has grown by since the current version, where that was made by this definition and the log has only grown since. */
async function growthOf(
  { task, lake }: TaskContext,
  current: CommitRecord | undefined,
  log: CommitRecord,
): Promise<Growth | undefined> {
  if (current?.watermark === undefined || current.definition !== task.definition) return undefined
  const { version, files } = JSON.parse(current.watermark) as Mark
  const growth = version > rowsVersion(log) ? undefined : await lake.growthSince(log, version)
  if (growth === undefined || identityOf(growth.known) !== files) return undefined
  await lake.verify({ ...log, files: growth.fresh, quarantine: [] })
  return growth
}

/** Files in groups, in order, so that no two have places in common. A file made of several may begin before the end of another day's. */
function inOrder(files: readonly DataFile[]): readonly (readonly DataFile[])[] {
  const spans = files.map((file) => {
    const { min, max } = file.stats['_lsn'] ?? {}
    return { file, from: min === undefined ? -1n : BigInt(min), to: max === undefined ? everything : BigInt(max) }
  })
  spans.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
  const groups: DataFile[][] = []
  let end = -2n
  for (const { file, from, to } of spans) {
    if (from > end) groups.push([])
    groups.at(-1)?.push(file)
    end = to > end ? to : end
  }
  return groups
}

const everything = 1n << 64n

/** A SELECT of some of the log's files, in the columns of a log. */
async function logSql(
  session: Session,
  { dms, columns }: ChangesModel,
  log: CommitRecord,
  files: readonly DataFile[],
): Promise<string> {
  const rows = `SELECT * FROM ${await session.from(relationOf({ ...log, files }))}`
  return dms === undefined ? rows : dmsLogSql(rows, dms, columns)
}

/** Whether files of DMS belong before some that are known: then all is made anew. A server's log is in order. */
async function comeLate(
  session: Session,
  model: ChangesModel,
  log: CommitRecord,
  { known, fresh }: Growth,
): Promise<boolean> {
  if (model.dms === undefined) return false
  const place = async (which: 'min' | 'max', files: readonly DataFile[]): Promise<string> =>
    `(SELECT ${which}(_lsn) FROM (${await logSql(session, model, log, files)}))`
  const [row] = await session.all<{ late: boolean | null }>(
    `SELECT ${await place('min', fresh)} <= ${await place('max', known)} AS late`,
  )
  return row?.late === true
}

async function makeCandidate(making: Making): Promise<ModelCandidate> {
  const { context, session, model, log, fresh } = making
  const { task, emit } = context
  if (model.dms !== undefined)
    await assertDms(session, `SELECT * FROM ${await session.from(relationOf({ ...log, files: fresh }))}`, model.dms)
  const table = model.dms === undefined ? (model.table ?? model.from) : dmsTable
  const scratch = await context.scratch('folded')
  const quarantine = quarantineWriter(session, scratch)
  const columns = model.dms === undefined ? model.columns : dmsColumns(model.columns)
  const judge = await openJudge(session, { ...model, columns }, quarantine, {
    ...{ table: model.table ?? model.from, hasPositions: model.dms === undefined },
  })
  const names = judge.columns.map(({ name }) => quoteIdentifier(name))
  const select = [...names, ...(model.as === 'history' ? historySelect : foldedSelect)].join(', ')
  // Files of DMS may have come in another order than theirs.
  const groups = model.dms === undefined ? inOrder(fresh) : [fresh]
  const parts = await Promise.all(
    groups.map(async (files) => ({
      sql: await logSql(session, model, log, files),
      rows: files.reduce((sum, { rows }) => sum + rows, 0),
    })),
  )
  const folded = await foldChanges({
    session,
    judge,
    table: { table, key: model.key.map((name) => columns[name]?.from ?? name) },
    columns: Object.entries(columns).map(([name, { from = name }]) => from),
    log: await logSql(session, model, log, log.files),
    parts,
    select,
    folder: scratch,
    progress: (rows) => emit({ type: 'task.progress', task: task.id, rows, bytes: 0 }),
  })
  const refused = await quarantine.finish()
  const rows: RowsOf = { what: model.table ?? model.from, of: 'changes' }
  const limits = { minRows: 100, ...model.quarantine }
  const checks = judgeRows(
    rows,
    { ...judge, keys: [] },
    limits,
    quarantine.counts(),
    folded.read,
    `; ${judge.firstRefused()}`,
  )
  const made = await (model.as === 'history' ? historyOf : currentOf)(making, judge, folded.files, scratch)
  const lost = folded.superseded === 0 ? {} : { 'value not held': folded.superseded }
  const candidate: ModelCandidate = {
    fields: fieldsOf(model, judge),
    files: made.files,
    ...(made.kept === undefined ? {} : { kept: made.kept }),
    quarantine: refused === undefined ? [] : [refused],
    accounting: {
      read: folded.read,
      quarantined: quarantine.counts().rows,
      ...made.accounting,
      dropped: { ...made.accounting.dropped, ...lost },
    },
    checks,
    warnings: task.warnings,
  }
  return { ...candidate, checks: [...checks, ...(await checkTable(making, judge, candidate))] }
}

/** What a fold came to, as files of the new version. */
interface Made {
  readonly files: ModelCandidate['files']
  readonly kept?: readonly string[]
  readonly accounting: Pick<RowAccounting, 'accepted' | 'dropped' | 'carried'>
}

async function historyOf({ model }: Making, judge: Judge, files: readonly WrittenFile[]): Promise<Made> {
  const names = fieldsOf(model, judge).map(({ name }) => name)
  const accepted = files.reduce((sum, { rows }) => sum + rows, 0)
  return { files: acceptedFiles(files, names), accounting: { accepted, dropped: {} } }
}

async function currentOf(making: Making, judge: Judge, changes: readonly WrittenFile[], folder: string): Promise<Made> {
  const { context, session, model, current, isIncremental } = making
  const columns = judge.columns.map(({ name }) => name)
  const files = isIncremental && current !== undefined ? current.files : []
  if (current !== undefined && files.length > 0) await context.lake.verify(current)
  const before = await Promise.all(
    files.map(async (file) => ({
      path: file.path,
      file: (await context.storage.materialise(file.path)).file,
      rows: file.rows,
      sql: `SELECT * FROM ${await session.from(relationOf({ fields: current!.fields, files: [file] }))}`,
    })),
  )
  const write = (select: string, target: string) => session.write(select, { folder: target })
  const rows = await currentRows({ session, key: model.key, columns, changes, before, write, folder })
  const dropped = Object.entries({ deleted: rows.deleted, superseded: rows.superseded }).filter(
    ([, count]) => count > 0,
  )
  return {
    files: acceptedFiles(rows.files, columns),
    kept: rows.kept,
    // A version from scratch keeps nothing, refused rows included.
    accounting: {
      accepted: rows.accepted,
      dropped: Object.fromEntries(dropped),
      ...(isIncremental ? { carried: rows.carried } : {}),
    },
  }
}

/** A delete has nothing but its key, so that in a history every other column may be NULL. */
function fieldsOf({ as, key, columns }: ChangesModel, judge: Judge): ModelCandidate['fields'] {
  const nullable = (name: string): boolean =>
    !key.includes(name) && (as === 'history' || columns[name] === undefined || columns[name].nullable === true)
  return [...judge.columns.map(({ name, type }) => ({ name, type, nullable: nullable(name) })), ...addedColumns(as)]
}

/** Checks of the whole table, and those that only warn: of current rows over all of them, of a history over what is new. */
async function checkTable(
  making: Making,
  { rest: checks }: Judge,
  candidate: ModelCandidate,
): Promise<ModelCandidate['checks']> {
  const { context, session, current } = making
  if (checks.length === 0) return []
  const kept = new Set(candidate.kept)
  const held = current?.files.filter(({ path }) => kept.has(path)) ?? []
  const rows = `SELECT * FROM ${await session.from(relationOf(candidate))}`
  const relation =
    current === undefined || held.length === 0
      ? rows
      : `${rows} UNION ALL BY NAME SELECT * FROM ${await session.from(relationOf({ fields: current.fields, files: held }))}`
  return runTableChecks(session, {
    relation: `(${relation})`,
    checks,
    related: await relatedTables(context, session, checks),
    now: context.clock.now(),
  })
}
