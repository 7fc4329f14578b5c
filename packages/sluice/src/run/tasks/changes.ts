/** Makes a version of a table of changes: from those that came since its last version, or from all of them where that would not be the same. */
import { assert, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { currentRows } from '../../changes/current.ts'
import { assertDms, dmsColumns, dmsLogSql, dmsTable } from '../../changes/dms.ts'
import { foldChanges, foldedSelect, historySelect } from '../../changes/fold.ts'
import { type Judge, openJudge } from '../../changes/judge.ts'
import { addedColumns } from '../../definition/columns.ts'
import type { ChangesModel } from '../../definition/types.ts'
import type { Session, WrittenFile } from '../../engines/engine.ts'
import { type Growth, identityOf, rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, DataFile, RowAccounting } from '../../lake/record.ts'
import { exceedsLimits, ruleResults } from '../../quality/accounting.ts'
import { quarantineWriter, type WrittenQuarantine } from '../../quality/quarantine.ts'
import { isRowCheck } from '../../quality/rules.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { candidateFiles, candidateSql, type ModelCandidate, relatedTables } from './check.ts'
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
  const model = project.pipelines.find(({ name }) => name === task.pipeline)?.models[task.table]
  assert(model?.kind === 'changes', `the plan's table of changes ${task.table} is defined`)
  const [log] = await resolveInputs(context)
  assert(log !== undefined, 'a table of changes has one input')
  const inputs = [{ kind: 'table' as const, table: log.table, version: rowsVersion(log) }]
  const forced = task.reason === 'forced' ? { forced: context.run } : {}
  const taskKey = digest({ definition: task.definition, inputs, ...forced })
  const current = await lake.current(task.table)
  if (current?.taskKey === taskKey) return { status: 'unchanged', version: current.version }

  await using session = await context.engine.open({ signal: context.signal })
  // What is read of a log is read once. What was freed is given back before the next large piece is read, and not a second later as DuckDB's
  // allocator does by itself: in that second, large values fill the memory with what nobody holds any more.
  await session.run(
    "SET enable_external_file_cache = false; SET allocator_flush_threshold = '16MB'; SET allocator_bulk_deallocation_flush_threshold = '16MB'",
  )
  const grown = isForced(context) ? undefined : await growthOf(context, current, log)
  const isIncremental = grown !== undefined && !(await comeLate(context, session, model, log, grown))
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
  { lake }: TaskContext,
  { dms, columns }: ChangesModel,
  log: CommitRecord,
  files: readonly DataFile[],
): Promise<string> {
  const rows = await lake.latestSql({ ...log, files })
  return dms === undefined ? rows : dmsLogSql(rows, dms, columns)
}

/** Whether files of DMS belong before some that are known: then all is made anew. A server's log is in order. */
async function comeLate(
  context: TaskContext,
  session: Session,
  model: ChangesModel,
  log: CommitRecord,
  { known, fresh }: Growth,
): Promise<boolean> {
  if (model.dms === undefined) return false
  const place = async (which: 'min' | 'max', files: readonly DataFile[]): Promise<string> =>
    `(SELECT ${which}(_lsn) FROM (${await logSql(context, model, log, files)}))`
  const [row] = await session.all<{ late: boolean | null }>(
    `SELECT ${await place('min', fresh)} <= ${await place('max', known)} AS late`,
  )
  return row?.late === true
}

async function makeCandidate(making: Making): Promise<ModelCandidate> {
  const { context, session, model, log, fresh } = making
  const { task, emit } = context
  if (model.dms !== undefined)
    await assertDms(session, await context.lake.latestSql({ ...log, files: fresh }), model.dms)
  const table = model.dms === undefined ? (model.table ?? model.from) : dmsTable
  const scratch = await context.scratch('folded')
  const quarantine = quarantineWriter(session, scratch)
  const columns = model.dms === undefined ? model.columns : dmsColumns(model.columns)
  const judge = await openJudge(session, { ...model, columns }, quarantine, model.table ?? model.from)
  const names = judge.columns.map(({ name }) => quoteIdentifier(name))
  const select = [...names, ...(model.as === 'history' ? historySelect : foldedSelect)].join(', ')
  // Files of DMS may have come in another order than theirs.
  const groups = model.dms === undefined ? inOrder(fresh) : [fresh]
  const parts = await Promise.all(
    groups.map(async (files) => ({
      sql: await logSql(context, model, log, files),
      rows: files.reduce((sum, { rows }) => sum + rows, 0),
    })),
  )
  const folded = await foldChanges({
    session,
    judge,
    table: { table, key: model.key.map((name) => columns[name]?.from ?? name) },
    columns: Object.entries(columns).map(([name, { from = name }]) => from),
    log: await logSql(context, model, log, log.files),
    parts,
    select,
    folder: scratch,
    progress: (rows) => emit({ type: 'task.progress', task: task.id, rows, bytes: 0 }),
  })
  const refused = await quarantine.finish()
  const checks = judgeRefused(model, judge, refused, folded.read)
  const made = await (model.as === 'history' ? historyOf : currentOf)(making, judge, folded.files, scratch)
  const lost = folded.superseded === 0 ? {} : { 'value not held': folded.superseded }
  const candidate: ModelCandidate = {
    fields: fieldsOf(model, judge),
    files: made.files,
    ...(made.kept === undefined ? {} : { kept: made.kept }),
    quarantine: refused === undefined ? [] : [refused],
    accounting: {
      read: folded.read,
      quarantined: refused?.rows ?? 0,
      ...made.accounting,
      dropped: { ...made.accounting.dropped, ...lost },
    },
    checks,
    warnings: task.warnings,
  }
  return { ...candidate, checks: [...checks, ...(await checkTable(making, candidate))] }
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
  return { files: candidateFiles(files, names), accounting: { accepted, dropped: {} } }
}

async function currentOf(making: Making, judge: Judge, changes: readonly WrittenFile[], folder: string): Promise<Made> {
  const { context, session, model, current, isIncremental } = making
  const columns = judge.columns.map(({ name }) => name)
  const files = isIncremental && current !== undefined ? current.files : []
  if (current !== undefined && files.length > 0) await context.lake.verify(current)
  const before = await Promise.all(
    files.map(async (file) => ({
      path: file.path,
      file: await context.storage.localPath(file.path),
      rows: file.rows,
      sql: await context.lake.latestSql({ fields: current!.fields, files: [file] }),
    })),
  )
  const write = (select: string, target: string) => session.write(select, { folder: target })
  const rows = await currentRows({ session, key: model.key, columns, changes, before, write, folder })
  const dropped = Object.entries({ deleted: rows.deleted, superseded: rows.superseded }).filter(
    ([, count]) => count > 0,
  )
  return {
    files: candidateFiles(rows.files, columns),
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

/** @throws Changes.TooManyRefused */
function judgeRefused(
  model: ChangesModel,
  judge: Judge,
  refused: WrittenQuarantine | undefined,
  read: number,
): ModelCandidate['checks'] {
  const limit = exceedsLimits({ minRows: 100, ...model.quarantine }, refused?.rows ?? 0, read)
  if (limit !== undefined) {
    const reasons = Object.entries(refused?.reasons ?? {}).map(([reason, rows]) => `${reason} ${rows}`)
    throw sluiceError('Changes.TooManyRefused', {
      table: model.table ?? model.from,
      limit,
      reasons: reasons.join(', '),
    })
  }
  return ruleResults(judge.rules, refused?.broken ?? new Map(), read)
}

/** Checks of the whole table, and those that only warn: of current rows over all of them, of a history over what is new. */
async function checkTable(making: Making, candidate: ModelCandidate): Promise<ModelCandidate['checks']> {
  const { context, session, model, current } = making
  const checks = model.checks.filter((check) => !isRowCheck(check) || check.severity === 'warn')
  if (checks.length === 0) return []
  const kept = new Set(candidate.kept)
  const held = current?.files.filter(({ path }) => kept.has(path)) ?? []
  const rows = `SELECT * FROM ${candidateSql(candidate)}`
  const relation =
    current === undefined || held.length === 0
      ? rows
      : `${rows} UNION ALL BY NAME SELECT * FROM (${await context.lake.latestSql({ fields: current.fields, files: held })})`
  return runTableChecks(session, {
    relation: `(${relation})`,
    checks,
    related: await relatedTables(context, checks),
    now: context.clock.now(),
  })
}
