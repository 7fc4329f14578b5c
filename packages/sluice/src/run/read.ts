/** Opens a session to read a project: lake tables as views, the warehouse attached read-only, and Sluice's own records as tables. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Session } from '../engines/engine.ts'
import type { CommitRecord } from '../lake/record.ts'
import { quarantineSql } from '../quality/quarantine.ts'
import { quoteIdentifier, quoteName, quoteText } from '../sql/quote.ts'
import type { ProjectContext } from './context.ts'
import { type SystemTables, systemColumns, systemRows } from './system-tables.ts'

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
    await session.run(`CREATE VIEW ${quoteName(table)} AS ${await context.lake.latestSql(newest)}`)
    await session.run(
      `CREATE VIEW ${quoteIdentifier(schema)}.${quoteIdentifier(`${name}__snapshot`)} AS ${await context.lake.snapshotSql(records)}`,
    )
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
  const scratch = await context.state.scratch(`read-${process.pid}`)
  try {
    for (const [table, columns] of Object.entries(systemColumns) as [keyof typeof systemColumns, string][]) {
      await session.run(`CREATE TABLE sluice.${table} (${columns})`)
      if (rows[table].length === 0) continue
      const file = join(scratch, `${table}.ndjson`)
      await writeFile(file, rows[table].map((row) => `${JSON.stringify(row)}\n`).join(''))
      await session.run(
        `INSERT INTO sluice.${table} BY NAME SELECT ${columnNames(columns)} FROM read_json(${quoteText(file)}, format = 'newline_delimited', columns = {${structOf(columns)}})`,
      )
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  const quarantined = system.versions.flatMap((record) => record.quarantine.map((file) => ({ record, file })))
  const paths = await Promise.all(
    quarantined.map(async ({ record, file }) => ({
      table: record.table,
      version: record.version,
      path: await context.storage.localPath(file.path),
    })),
  )
  await session.run(
    `CREATE VIEW sluice.quarantine AS ${
      paths.length === 0
        ? 'SELECT NULL::VARCHAR AS "table", NULL::BIGINT AS version WHERE false'
        : paths
            .map(
              ({ table, version, path }) =>
                `SELECT ${quoteText(table)} AS "table", ${version} AS version, q.* FROM (${quarantineSql([path])}) q`,
            )
            .join(' UNION ALL ')
    }`,
  )
  if (session !== undefined && (await context.warehouseExists())) {
    await session.run('CREATE VIEW sluice.loads AS SELECT * FROM warehouse.sluice.load_ledger')
  }
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
