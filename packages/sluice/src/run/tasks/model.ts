/** Makes a version of a model's table from exactly the versions that it reads. */

import { assert, isSluiceError, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { CodeModel, SqlModel, TableOptions } from '../../definition/types.ts'
import type { EngineColumn, Session, WriteOptions, WrittenFile } from '../../engines/engine.ts'
import { rowsVersion } from '../../lake/growth.ts'
import type { CommitRecord, RowAccounting } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import { quarantineWriter } from '../../quality/quarantine.ts'
import { rowContract } from '../../quality/rows/contract.ts'
import { judgeRows } from '../../quality/rows/judge.ts'
import { acceptedFiles, openScan, ruleGroup } from '../../quality/rows/scan.ts'
import { runTableChecks } from '../../quality/table-checks.ts'
import { quoteIdentifier } from '../../sql/quote.ts'
import type { TaskContext, TaskOutcome } from '../context.ts'
import { setParameters } from '../parameters.ts'
import { type ModelCandidate, relatedTables } from './check.ts'
import { codeModelSql } from './code-model.ts'
import { confineToInputs } from './confine.ts'
import { attachInputs, resolveInputs } from './inputs.ts'
import { keepUnchanged } from './keep.ts'
import { publish } from './publish.ts'

/**
 * Runs a model task; where its key (definition and input versions) is the current version's, nothing is run.
 *
 * @throws Quality.ChecksFailed where a check does not hold: the version is not published
 */
export async function runModel(whole: TaskContext): Promise<TaskOutcome> {
  const { task, lake } = whole
  const index = projectIndex(whole.project)
  const model = index.model(task.table)?.model
  assert(model !== undefined, `the plan's model ${task.table} is defined`)
  assert(model.kind !== 'changes', 'a table of changes is made by its own task')
  const records = await resolveInputs(whole)
  const inputs = records.map((record) => ({
    kind: 'table' as const,
    table: record.table,
    version: rowsVersion(record),
  }))
  const forced = task.reason === 'forced' ? { forced: whole.run } : {}
  const taskKey = digest({ definition: task.definition, inputs, ...forced })
  const current = await lake.current(task.table)
  if (current?.taskKey === taskKey) return { status: 'unchanged', version: current.version }

  await using session = await whole.engine.open({ signal: whole.signal })
  await attachInputs(session, records)
  await setParameters(session, model.bound)
  const options = index.options(task.table)
  const context = await confineToInputs(whole, session, records, options.checks ?? [])
  const sql = await modelSql(context, session, model)
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
  const fields = columns.map((column) => ({ ...column, nullable: true }))
  const contract = rowContract([], { checks: options.checks ?? [], refuses: 'declared rows', columns })
  const quarantine = quarantineWriter(session, await context.scratch('refused'))
  const names = columns.map(({ name }) => name)
  const texts = names.map((name) => `${quoteIdentifier(name)}::VARCHAR`)
  const good = openScan(session, [ruleGroup(contract.rules)], texts, (reasons, values) => {
    const row = Object.fromEntries(names.map((name, place) => [name, values[place] ?? null]))
    quarantine.add({ reasons, fields: row })
  })
  const rows = `SELECT ${names.map(quoteIdentifier).join(', ')} FROM (${good(`(${exactSql(task.table, sql, columns)}\n)`)})`
  const files = acceptedFiles(await writeModel(context, session, rows, options), names)
  const made = files.reduce((sum, file) => sum + file.rows, 0) + quarantine.counts().rows
  if (made === 0) await assertEmpty(session, sql)
  emit({ type: 'task.progress', task: task.id, rows: made, bytes: 0 })
  const refused = await quarantine.finish()
  const { rows: quarantined } = quarantine.counts()
  const checks = judgeRows({ what: task.table, of: 'table' }, contract, noLimits, quarantine.counts(), made)
  const related = await relatedTables(context, session, contract.rest)
  const over = {
    relation: await session.from(relationOf({ fields, files })),
    checks: contract.rest,
    related,
    now: context.clock.now(),
  }
  return {
    ...{ fields, files, warnings: task.warnings },
    quarantine: refused === undefined ? [] : [refused],
    accounting: { ...dropsOf(task.table, made, options, records), accepted: made - quarantined, quarantined },
    checks: [...checks, ...(await runTableChecks(session, over))],
  }
}

/** A model says with each check how many rows may fail it. */
const noLimits = { maxShare: 1 }

async function writeModel(
  context: TaskContext,
  session: Session,
  rows: string,
  { partitionBy }: TableOptions,
): Promise<readonly WrittenFile[]> {
  const folder = await context.scratch('made')
  try {
    return await session.write(partitionedSql(rows, partitionBy), { folder, ...partitionColumns(partitionBy) })
  } catch (error) {
    const column = partitionBy?.column
    if (column === undefined || !isSluiceError(error, 'Engine.Failed') || !/File name too long/.test(error.message))
      throw error
    throw sluiceError('Run.PartitionTooLong', { table: context.task.table, column }, { cause: error })
  }
}

/** That nothing was written is asked of the query itself: an empty table is easily taken for the truth. */
async function assertEmpty(session: Session, sql: string): Promise<void> {
  const [row] = await session.all<{ n: string }>(`SELECT count(*) AS n FROM (${sql}\n)`)
  if (Number(row?.n) > 0) throw sluiceError('Engine.NothingWritten', { detail: `it gives ${row?.n} rows` })
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

/** How the engine partitions what a table declares; years and months exist only as partitions. */
function partitionColumns(
  partition: { readonly kind: 'value' | 'yearMonth'; readonly column: string } | undefined,
): Pick<WriteOptions, 'partitionBy' | 'partitionsOnly'> {
  if (partition === undefined) return {}
  if (partition.kind === 'value') return { partitionBy: [partition.column] }
  return { partitionBy: ['year', 'month'], partitionsOnly: true }
}

/** A model reads what it makes, unless it declares that it drops rows of an input: then every one of those is accounted for. */
function dropsOf(
  table: string,
  rows: number,
  options: TableOptions,
  records: readonly CommitRecord[],
): Pick<RowAccounting, 'read' | 'dropped'> {
  const { drops } = options
  if (drops === undefined) return { read: rows, dropped: {} }
  const read = records.find((record) => record.table === drops.from)?.rows ?? 0
  if (read < rows) throw sluiceError('Quality.DropsGained', { table, from: drops.from, read, made: rows })
  return { read, dropped: read === rows ? {} : { [drops.why]: read - rows } }
}
