/** Runs a code model: gives it its inputs as relations, takes SQL or rows back. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sluiceError } from '../../base/errors.ts'
import type { CodeModel, ModelInput } from '../../definition/types.ts'
import type { Session } from '../../engines/engine.ts'
import { castColumn } from '../../quality/casts.ts'
import { quoteIdentifier, quoteName, quotePath } from '../../sql/quote.ts'
import type { TaskContext } from '../context.ts'
import { argumentsOf } from '../parameters.ts'
import { assertQuery } from '../planning/statement.ts'

/**
 * The SQL that a code model means: what it returned, or a SELECT over the rows that it returned.
 *
 * @throws Run.ModelReturned where it returned neither, or rows that its columns do not fit
 */
export async function codeModelSql(
  context: Pick<TaskContext, 'task' | 'scratch'>,
  session: Session,
  model: CodeModel,
): Promise<string> {
  const table = context.task.table
  const result = await model.make(
    Object.fromEntries(model.inputs.map((name) => [name, modelInput(session, name)])),
    argumentsOf(model.bound),
  )
  if (typeof result === 'string') {
    await assertQuery(session, result)
    return result.trim().replace(/(\s*;\s*)+$/, '')
  }
  if (!Array.isArray(result)) throw sluiceError('Run.ModelReturned', { table, what: `returned ${typeof result}` })
  if (model.columns === undefined)
    throw sluiceError('Run.ModelReturned', { table, what: 'returned rows, but declares no columns' })
  const names = Object.keys(model.columns)
  const unknown = result.flatMap((row) => Object.keys(row as object)).find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw sluiceError('Run.ModelReturned', { table, what: `returned a column "${unknown}" that it does not declare` })
  const folder = await context.scratch('rows')
  const file = join(folder, 'rows.ndjson')
  await writeFile(
    file,
    result
      .map((row) => `${JSON.stringify(names.map((name) => textOf((row as Record<string, unknown>)[name])))}\n`)
      .join(''),
  )
  const rows = `(SELECT ${names.map((_, index) => `j ->> ${index} AS c${index}`).join(', ')} FROM read_json(${quotePath(file)}, format = 'newline_delimited', records = false, columns = {j: 'JSON'}))`
  const casts = Object.entries(model.columns).map(([name, column], index) => castColumn(name, column, `c${index}`))
  const bad = casts.map((cast) => `NOT (${cast.valid})`).join(' OR ')
  const [wrong] = await session.all<Record<string, unknown>>(`SELECT * FROM ${rows} WHERE ${bad} LIMIT 1`)
  if (wrong !== undefined)
    throw sluiceError('Run.ModelReturned', {
      table,
      what: `returned a row that does not fit its columns: ${JSON.stringify(Object.values(wrong))}`,
    })
  return `SELECT ${casts.map((cast) => `${cast.value} AS ${quoteIdentifier(cast.name)}`).join(', ')} FROM ${rows}`
}

function modelInput(session: Session, table: string): ModelInput {
  const name = quoteName(table)
  return { name, rows: (sql) => session.all(sql ?? `SELECT * FROM ${name}`) }
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (value instanceof Date) return value.toISOString()
  // String() forgets the sign of a zero.
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
