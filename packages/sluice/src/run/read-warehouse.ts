/**
 * A warehouse on a server, for a query: it cannot be attached, so what a statement reads is brought here first.
 *
 * Whatever is not brought cannot be read by mistake either: a table that no statement was seen to read, and a column that was left out, raise an error
 * for the first row that is asked for.
 */
import { join } from 'node:path'
import { assert, sluiceError } from '../base/errors.ts'
import { projectIndex } from '../definition/project-index.ts'
import type { Session } from '../engines/engine.ts'
import { quoteIdentifier, quoteText } from '../sql/quote.ts'
import type { CopiedTable } from '../warehouses/warehouse.ts'
import type { WarehouseReading } from './api.ts'
import type { ProjectContext } from './context.ts'
import { openWorkspace } from './workspace.ts'

/** So many bytes of text are brought for one query. */
const limitBytes = 1e9

const ledger = 'sluice.load_ledger'

/** Its tables are there by name; nothing is asked of the server. @example await nameServerTables(context, session) */
export async function nameServerTables({ project }: Pick<ProjectContext, 'project'>, session: Session): Promise<void> {
  await session.run("ATTACH ':memory:' AS warehouse")
  await session.run("ATTACH ':memory:' AS warehouse_rows")
  await session.run('CREATE SCHEMA warehouse.sluice')
  for (const table of [...projectIndex(project).loads.map(({ target }) => target), ledger])
    await putView(session, table, [`CAST(NULL AS VARCHAR) AS warehouse`], unread(table))
}

/**
 * Brings what a statement reads.
 *
 * @example await readServerTables(context, session, { relations, lists: false, mayRead: () => true })
 * @throws Connection.*, Query.WarehouseTooLarge
 */
export async function readServerTables(
  { project, root, withWarehouse }: ProjectContext,
  session: Session,
  { relations, lists, mayRead, rows, signal }: WarehouseReading,
): Promise<void> {
  const targets = projectIndex(project).loads.map(({ target }) => target)
  const read = new Set<string>()
  for (const named of relations.map(tableOf)) {
    const meant = [...targets, ledger].filter((table) => table.toLowerCase() === named)
    const [table, another] = meant
    if (another !== undefined)
      throw sluiceError('Query.Failed', {
        detail: `${meant.join(' and ')} differ in upper and lower case only, which a query cannot tell apart.`,
      })
    if (table !== undefined) read.add(table)
  }
  const wanted = [
    ...[...read].map((table) => ({ table, mayRead, ...(rows === undefined ? {} : { rows }) })),
    ...(lists ? [...targets, ledger] : [])
      .filter((table) => !read.has(table))
      .map((table) => ({ table, mayRead, rows: 0 })),
  ]
  if (wanted.length === 0) return
  const stop = signal === undefined ? {} : { signal }
  await using work = await openWorkspace(join(root, '.sluice')).folder('read')
  const copied = await withWarehouse((warehouse) => {
    assert(warehouse.copyOut !== undefined, 'a warehouse on a server copies its tables out')
    return warehouse.copyOut(wanted, { folder: work.folder, limitBytes, ...stop })
  }, stop)
  for (const [index, { table }] of wanted.entries()) await put(session, table, copied[index])
}

/** The table that a name means, in lower case: `warehouse.t`, `warehouse.main.t`, `warehouse.sluice.load_ledger`, `sluice.loads`. */
function tableOf({ catalog, schema, name }: WarehouseReading['relations'][number]): string | undefined {
  const [c, s, n] = [catalog, schema, name].map((part) => part.toLowerCase()) as [string, string, string]
  if (c === 'warehouse') return s === 'main' || s === '' ? n : `${s}.${n}`
  if (c === '' && s === 'warehouse') return n
  return (c === '' || c === 'memory') && s === 'sluice' && n === 'loads' ? ledger : undefined
}

async function put(session: Session, table: string, copied: CopiedTable | undefined): Promise<void> {
  if (copied === undefined) {
    // Nothing was loaded: there is no such table, as in a warehouse that is a file. Of loads there are none.
    await session.run(`DROP VIEW IF EXISTS ${viewOf(table)}`)
    if (table === ledger) await putEmptyLedger(session)
    return
  }
  const { columns, rows } = copied
  const typed = (text: string, type: string): string => `CAST(${text} AS ${type})`
  if (rows === undefined) {
    const nulls = columns.map(({ name, type }) => `${typed('NULL', type)} AS ${quoteIdentifier(name)}`)
    return putView(session, table, nulls, unread(table))
  }
  const kept = `warehouse_rows.${quoteIdentifier(table)}`
  await session.run(`CREATE TABLE ${kept} AS SELECT * FROM ${rows.relation}`)
  const [found] = await session.all<{ n: string }>(`SELECT count(*)::VARCHAR AS n FROM ${kept}`)
  if (Number(found?.n) !== rows.count)
    throw sluiceError('Query.Failed', {
      detail: `of "${table}" the server sent ${rows.count} rows, and ${found?.n} could be read.`,
    })
  const taken = new Set(rows.columns)
  const values = columns.map(({ name, type }) => {
    const column = quoteIdentifier(name)
    const left = `error(${quoteText(`The column ${column} of "${table}" was not brought from the server: write its name in the query.`)})`
    return taken.has(name) ? column : `${typed(left, type)} AS ${column}`
  })
  await putView(session, table, values, kept)
}

/** `sluice.loads` of a warehouse in which nothing was loaded. @example await putEmptyLedger(session) */
export async function putEmptyLedger(session: Session): Promise<void> {
  await session.run(
    `CREATE OR REPLACE VIEW sluice.loads AS SELECT NULL::VARCHAR AS load_id, NULL::VARCHAR AS target, NULL::BIGINT AS ordinal, NULL::VARCHAR AS mode,
       NULL::BIGINT AS version, NULL::VARCHAR AS definition, NULL::VARCHAR AS run, NULL::INTEGER AS attempt, NULL::BIGINT AS fencing_token,
       NULL::VARCHAR AS loaded_at, NULL::VARCHAR AS shape, NULL::VARCHAR AS result WHERE false`,
  )
}

/** A relation whose every row is an error that depends on the row, so that it is neither left out nor raised before. */
function unread(table: string): string {
  const why = `"${table}" of the PostgreSQL warehouse was not brought from the server. Ask the server itself. `
  return `(SELECT i FROM range(1) AS r(i) WHERE error(${quoteText(why)} || i) IS NULL) AS r`
}

async function putView(session: Session, table: string, columns: readonly string[], from: string): Promise<void> {
  const view = viewOf(table)
  await session.run(`CREATE OR REPLACE VIEW ${view} AS SELECT ${columns.join(', ')} FROM ${from}`)
  if (table === ledger) await session.run(`CREATE OR REPLACE VIEW sluice.loads AS SELECT * FROM ${view}`)
}

function viewOf(table: string): string {
  return `warehouse.${table === ledger ? ledger : `main.${quoteIdentifier(table)}`}`
}
