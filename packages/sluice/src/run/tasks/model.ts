/** Makes a version of a model's table from exactly the versions that it reads. */
import { assert, isSluiceError, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { CodeModel, Model, TableOptions } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import type { CommitRecord, RowAccounting } from '../../lake/record.ts'
import type { Candidate } from '../../sources/source.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { checkCandidate } from './check.ts'
import { codeModelSql } from './code-model.ts'
import { attachInputs, resolveInputs } from './inputs.ts'
import { publish } from './publish.ts'

/**
 * Runs a model task; where its key (definition and input versions) is the current version's, nothing is run.
 *
 * @throws Quality.ChecksFailed where a check does not hold: the version is not published
 */
export async function runModel(context: TaskContext): Promise<TaskOutcome> {
  const { task, lake } = context
  const pipeline = context.project.pipelines.find(({ name }) => name === task.pipeline)
  const model = pipeline?.models[task.table]
  assert(model !== undefined, `the plan's model ${task.table} is defined`)
  const records = await resolveInputs(context)
  const inputs = records.map((record) => ({ kind: 'table' as const, table: record.table, version: record.version }))
  const taskKey = digest({ definition: task.definition, inputs })
  const current = await lake.current(task.table)
  if (current?.taskKey === taskKey && task.reason !== 'forced') return { status: 'unchanged', version: current.version }

  await using session = await context.engine.open({ signal: context.signal })
  await attachInputs(context, session, records)
  const sql = await modelSql(context, session, model)
  const candidate = await makeCandidate(context, session, sql, pipeline?.tables[task.table] ?? {}, records)
  const record = await publish(
    context,
    session,
    { ...candidate, inputs },
    {
      taskKey,
      operation: 'replace',
      expectedParent: current?.version ?? 0,
      sql: model.kind === 'sql' ? model.sql : sql,
    },
  )
  return { status: 'succeeded', version: record.version, accounting: record.accounting }
}

async function modelSql(context: TaskContext, session: Session, model: Model): Promise<string> {
  if (model.kind === 'sql') return trimSql(model.sql)
  try {
    return await codeModelSql(context, session, model satisfies CodeModel)
  } catch (error) {
    if (isSluiceError(error)) throw error
    throw sluiceError(
      'Run.ModelThrew',
      { table: context.task.table, message: error instanceof Error ? error.message : String(error) },
      { cause: error },
    )
  }
}

/** A statement's end would end the COPY around it. */
function trimSql(sql: string): string {
  return sql.trim().replace(/(\s*;\s*)+$/, '')
}

async function makeCandidate(
  context: TaskContext,
  session: Session,
  sql: string,
  options: TableOptions,
  records: readonly CommitRecord[],
): Promise<Omit<Candidate, 'inputs'>> {
  const { task, storage, emit } = context
  const columns = await session.describe(sql)
  const partition = options.partitionBy
  const scratch = await storage.scratch(`${context.run}-${task.id.replace(/[^a-z0-9_-]/gi, '_')}-${context.attempt}`)
  const written = await session.write(partitionedSql(sql, partition), {
    folder: scratch,
    ...(partition === undefined
      ? {}
      : { partitionBy: partition.kind === 'yearMonth' ? ['year', 'month'] : [partition.column] }),
  })
  const names = columns.map((column) => column.name)
  const files = written
    .filter((file) => file.rows > 0)
    .map(({ file, rows, partition: of, stats }) => ({
      localFile: file,
      rows,
      ...(of === undefined ? {} : { partition: of }),
      stats: Object.fromEntries(Object.entries(stats).filter(([name]) => names.includes(name))),
      fields: names,
    }))
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  emit({ type: 'task.progress', task: task.id, rows, bytes: written.reduce((sum, file) => sum + file.bytes, 0) })
  const fields = columns.map((column) => ({ ...column, nullable: true }))
  const candidate = {
    fields,
    files,
    quarantine: [],
    accounting: modelAccounting(task.table, rows, options, records),
    checks: [],
    warnings: task.warnings,
  }
  return checkCandidate(context, session, candidate, options.checks ?? [], scratch)
}

/** A value partition keeps its column in the files; year and month exist only in the folders' names. */
function partitionedSql(sql: string, partition: TableOptions['partitionBy']): string {
  if (partition === undefined) return sql
  const column = quoteIdentifier(partition.column)
  if (partition.kind === 'value') return sql
  return `SELECT *, year(${column}) AS "year", lpad(month(${column})::VARCHAR, 2, '0') AS "month" FROM (${sql})`
}

/** A model reads what it makes, unless it declares that it drops rows of an input: then every one of those is accounted for. */
function modelAccounting(
  table: string,
  rows: number,
  options: TableOptions,
  records: readonly CommitRecord[],
): RowAccounting {
  const { drops } = options
  if (drops === undefined) return { read: rows, accepted: rows, quarantined: 0, dropped: {} }
  const input = records.find((record) => record.table === drops.from)
  const read = input?.rows ?? 0
  if (input === undefined || read < rows) {
    throw sluiceError('Quality.RowsUnaccounted', {
      what: `${table} (drops from ${quoteText(drops.from)})`,
      read,
      accepted: rows,
      quarantined: 0,
      dropped: 0,
    })
  }
  return { read, accepted: rows, quarantined: 0, dropped: read === rows ? {} : { [drops.why]: read - rows } }
}
