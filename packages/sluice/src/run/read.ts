/** Opens a session to read a project: lake tables as views, a DuckDB warehouse attached read-only, and Sluice's own records as tables. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Session } from '../engines/engine.ts'
import { withoutDismissed } from '../lake/record/refused.ts'
import type { CommitRecord, QuarantineFile } from '../lake/record.ts'
import { relationOf, snapshotOf } from '../lake/relation.ts'
import { quarantineRelation } from '../quality/quarantine.ts'
import { quoteIdentifier, quoteName, quoteText } from '../sql/quote.ts'
import type { ProjectContext } from './context.ts'
import { isDamage } from './intact.ts'
import { nameServerTables, putEmptyLedger } from './read-warehouse.ts'
import { type SystemTables, systemColumns, systemRows } from './system-tables.ts'
import { openWorkspace } from './workspace.ts'

/**
 * Opens the read session that `OpenProject.openRead` describes; closed by the caller.
 *
 * @example await using session = await openReadSession(context, { runs, versions })
 */
export async function openReadSession(
  context: ProjectContext,
  system: SystemTables,
  signal?: AbortSignal,
): Promise<Session> {
  const warehouse = context.project.config.warehouse
  const attach = (await context.warehouseExists()) && warehouse.kind === 'duckdb'
  const session = await context.engine.open({
    ...(signal === undefined ? {} : { signal }),
    ...(attach ? { attach: { path: join(context.root, warehouse.path), name: 'warehouse', readOnly: true } } : {}),
  })
  try {
    await attachTables(context, session, system.versions)
    await attachSystem(context, session, system)
    if (warehouse.kind !== 'duckdb') await nameServerTables(context, session)
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

async function attachTables(
  context: ProjectContext,
  session: Session,
  versions: readonly CommitRecord[],
): Promise<void> {
  for (const [table, records] of byTable(versions)) {
    const [schema, name] = table.split('.') as [string, string]
    const newest = records.reduce((a, b) => (a.version > b.version ? a : b))
    await session.run(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)}`)
    // The engine opens files to see their columns; a file that it cannot open takes its own table away, and no other.
    await whole(context, newest, async () =>
      session.run(`CREATE VIEW ${quoteName(table)} AS SELECT * FROM ${await session.from(relationOf(newest))}`),
    )
    const snapshot = `${quoteIdentifier(schema)}.${quoteIdentifier(`${name}__snapshot`)}`
    await whole(context, records, async () =>
      session.run(`CREATE VIEW ${snapshot} AS SELECT * FROM ${await session.from(snapshotOf(records))}`),
    )
  }
}

/** Does it; where a file of these records is damaged, warns of that instead. */
async function whole(
  { lake, warn }: Pick<ProjectContext, 'lake' | 'warn'>,
  of: CommitRecord | readonly CommitRecord[],
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    for (const record of [of].flat()) {
      const damage = await lake.verify(record).catch((found: unknown) => found)
      if (!isDamage(damage)) continue
      warn(damage.message)
      return false
    }
    throw error
  }
}

function byTable(versions: readonly CommitRecord[]): Map<string, CommitRecord[]> {
  const groups = new Map<string, CommitRecord[]>()
  for (const record of versions) groups.set(record.table, [...(groups.get(record.table) ?? []), record])
  return groups
}

async function attachSystem(context: ProjectContext, session: Session, system: SystemTables): Promise<void> {
  await session.run('CREATE SCHEMA IF NOT EXISTS sluice')
  const rows = systemRows(system)
  {
    await using work = await openWorkspace(join(context.root, '.sluice')).folder('read')
    for (const [table, columns] of Object.entries(systemColumns) as [keyof typeof systemColumns, string][]) {
      await session.run(`CREATE TABLE sluice.${table} (${columns})`)
      if (rows[table].length === 0) continue
      const file = join(work.folder, `${table}.ndjson`)
      await writeFile(file, rows[table].map((row) => `${JSON.stringify(row)}\n`).join(''))
      await session.run(
        `INSERT INTO sluice.${table} BY NAME SELECT ${columnNames(columns)} FROM read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${structOf(columns)}})`,
      )
    }
  }
  const refused: { readonly table: string; readonly file: QuarantineFile }[] = []
  for (const [table, records] of byTable(system.versions))
    for (const file of await allRefused(context, records)) {
      const only = { ...records[0]!, files: [], quarantine: [file] }
      const probe = async (): Promise<void> =>
        session.run(`SELECT 0 FROM ${await session.from(quarantineRelation([file]))} LIMIT 0`)
      if (await whole(context, only, probe)) refused.push({ table, file })
    }
  const selects = await Promise.all(
    refused.map(
      async ({ table, file }) =>
        `SELECT ${quoteText(table)} AS "table", ${file.addedIn} AS version, q.* FROM ${await session.from(quarantineRelation([file]))} q`,
    ),
  )
  const none = 'SELECT NULL::VARCHAR AS "table", NULL::BIGINT AS version WHERE false'
  await session.run(`CREATE VIEW sluice.quarantine AS ${selects.length === 0 ? none : selects.join(' UNION ALL ')}`)
  if (context.project.config.warehouse.kind === 'duckdb') await attachLedger(session)
}

/** A file in which nothing was loaded has no ledger, and there may be no file at all. */
async function attachLedger(session: Session): Promise<void> {
  const there = await session.all(
    "SELECT 1 FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = 'sluice' AND table_name = 'load_ledger'",
  )
  if (there.length === 0) await putEmptyLedger(session)
  else await session.run('CREATE VIEW sluice.loads AS SELECT * FROM warehouse.sluice.load_ledger')
}

/**
 * Files of refused rows, newest first: of all kept versions, and of those that are gone but for the rows that they refused; not what was dismissed.
 *
 * @example const files = await allRefused(context, await context.lake.versions('raw.sales'))
 * @param records All kept versions of a table.
 */
export async function allRefused(
  { lake, warn }: Pick<ProjectContext, 'lake' | 'warn'>,
  records: readonly CommitRecord[],
): Promise<readonly QuarantineFile[]> {
  const [newest] = [...records].sort((a, b) => b.version - a.version)
  if (newest === undefined) return []
  const older = await lake.refused(newest).catch((error: unknown) => {
    if (!isDamage(error)) throw error
    warn(error.message)
    return []
  })
  const files = [...older, ...records.flatMap(({ quarantine }) => quarantine)]
  const byPath = new Map(files.map((file) => [file.path, file]))
  const dismissed = records.flatMap(({ dismissed = [] }) => dismissed)
  return withoutDismissed([...byPath.values()], dismissed).toSorted((a, b) => b.addedIn - a.addedIn)
}

/** Whether a file of refused rows is damaged; each that is is warned of by name. @example await damagedRefused(context, versions) */
export async function damagedRefused(
  context: Pick<ProjectContext, 'lake' | 'warn'>,
  records: readonly CommitRecord[],
): Promise<boolean> {
  let isDamaged = false
  for (const file of await allRefused(context, records)) {
    const damage = await context.lake
      .verify({ ...records[0]!, files: [], quarantine: [file] })
      .catch((error: unknown) => error)
    if (!isDamage(damage)) continue
    context.warn(damage.message)
    isDamaged = true
  }
  return isDamaged
}

function columnNames(columns: string): string {
  return splitColumns(columns)
    .map(([name]) => name)
    .join(', ')
}

function structOf(columns: string): string {
  return splitColumns(columns)
    .map(([name, type]) => `${name}: ${quoteText(type)}`)
    .join(', ')
}

function splitColumns(columns: string): [string, string][] {
  return columns.split(', ').map((column) => {
    const at = column.lastIndexOf(' ')
    return [column.slice(0, at), column.slice(at + 1)]
  })
}
