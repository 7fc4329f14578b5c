/** Makes a version of a model's table from exactly the versions that it reads. */
import { assert, isSluiceError, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { CodeModel, SqlModel, TableOptions } from '../../definition/types.ts'
import type { EngineColumn, Session } from '../../engines/engine.ts'
import { rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, RowAccounting } from '../../lake/record.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { candidateFiles, checkCandidate, type ModelCandidate, partitionColumns } from './check.ts'
import { codeModelSql } from './code-model.ts'
import { attachInputs, resolveInputs } from './inputs.ts'
import { keepUnchanged } from './keep.ts'
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
  assert(model.kind !== 'changes', 'a table of changes is made by its own task')
  const records = await resolveInputs(context)
  const inputs = records.map((record) => ({
    kind: 'table' as const,
    table: record.table,
    version: rowsVersion(record),
  }))
  const forced = task.reason === 'forced' ? { forced: context.run } : {}
  const taskKey = digest({ definition: task.definition, inputs, ...forced })
  const current = await lake.current(task.table)
  if (current?.taskKey === taskKey) return { status: 'unchanged', version: current.version }

  await using session = await context.engine.open({ signal: context.signal })
  await attachInputs(context, session, records)
  const sql = await modelSql(context, session, model)
  const options = pipeline?.tables[task.table] ?? {}
  const made = await makeCandidate(context, session, sql, options, records)
  const { candidate, partitions } =
    options.partitionBy === undefined
      ? { candidate: made, partitions: undefined }
      : await keepUnchanged(context, session, made, current)
  const record = await publish(
    context,
    session,
    { ...candidate, inputs },
    {
      taskKey,
      operation: 'replace',
      expectedParent: current?.version ?? 0,
      sql: model.kind === 'sql' ? model.sql : sql,
      ...(options.partitionBy?.kind === 'yearMonth' ? { monthOf: options.partitionBy.column } : {}),
    },
  )
  return {
    status: 'succeeded',
    version: record.version,
    accounting: record.accounting,
    ...(partitions === undefined ? {} : { partitions }),
  }
}

async function modelSql(context: TaskContext, session: Session, model: SqlModel | CodeModel): Promise<string> {
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
): Promise<ModelCandidate> {
  const { task, emit } = context
  const columns = await session.describe(sql)
  const names = columns.map((column) => column.name)
  const write = async (select: string, folder: string): Promise<ModelCandidate['files']> => {
    try {
      const partitioned = partitionedSql(select, options.partitionBy)
      const written = await session.write(partitioned, { folder, ...partitionColumns(options.partitionBy) })
      return candidateFiles(written, names)
    } catch (error) {
      const column = options.partitionBy?.column
      if (column === undefined || !isSluiceError(error, 'Engine.Failed') || !/File name too long/.test(error.message))
        throw error
      throw sluiceError('Run.PartitionTooLong', { table: task.table, column }, { cause: error })
    }
  }
  const files = await write(exactSql(task.table, sql, columns), await context.scratch('made'))
  const rows = files.reduce((sum, file) => sum + file.rows, 0)
  emit({ type: 'task.progress', task: task.id, rows, bytes: 0 })
  const candidate: ModelCandidate = {
    fields: columns.map((column) => ({ ...column, nullable: true })),
    files,
    quarantine: [],
    accounting: modelAccounting(task.table, rows, options, records),
    checks: [],
    warnings: task.warnings,
  }
  return checkCandidate(context, session, candidate, options.checks ?? [], write)
}

/**
 * The same rows in types that a data file holds exactly: Parquet has no integers of 128 bits, and DuckDB would write doubles in their place.
 *
 * @throws Run.ColumnInexact where no such type is beyond doubt
 */
function exactSql(table: string, sql: string, columns: readonly EngineColumn[]): string {
  const isWhole = ({ type }: EngineColumn): boolean => /^U?HUGEINT$/.test(type)
  for (const { name, type } of columns.filter((column) => !isWhole(column))) {
    const bare = type.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"/g, '')
    const inexact = /\b(?:INTERVAL|TIME WITH TIME ZONE|U?HUGEINT)\b/.exec(bare)
    if (inexact !== null) throw sluiceError('Run.ColumnInexact', { table, column: name, type, inexact: inexact[0] })
  }
  const whole = columns.filter(isWhole).map(({ name }) => quoteIdentifier(name))
  if (whole.length === 0) return sql
  return `SELECT * REPLACE (${whole.map((name) => `${name}::DECIMAL(38,0) AS ${name}`).join(', ')}) FROM (${sql}\n)`
}

function partitionedSql(sql: string, partition: TableOptions['partitionBy']): string {
  if (partition?.kind !== 'yearMonth') return sql
  const column = quoteIdentifier(partition.column)
  return `SELECT *, year(${column}) AS "year", lpad(month(${column})::VARCHAR, 2, '0') AS "month" FROM (${sql}\n)`
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
  const read = records.find((record) => record.table === drops.from)?.rows ?? 0
  if (read < rows) throw sluiceError('Quality.DropsGained', { table, from: drops.from, read, made: rows })
  return { read, accepted: rows, quarantined: 0, dropped: read === rows ? {} : { [drops.why]: read - rows } }
}
