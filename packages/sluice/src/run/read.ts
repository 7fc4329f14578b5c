/** Opens a session to read a project: lake tables as views, the warehouse attached read-only, and Sluice's own records as tables. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Session } from '../engines/engine.ts'
import type { CommitRecord } from '../lake/record.ts'
import { quarantineSql } from '../quality/quarantine.ts'
import { quoteIdentifier, quoteName, quoteText } from '../sql/quote.ts'
import type { RunInfo } from './api.ts'
import type { ProjectContext } from './context.ts'

/** What `sluice.*` is made from. */
export interface SystemTables {
  readonly runs: readonly RunInfo[]
  /** All kept versions of all tables. */
  readonly versions: readonly CommitRecord[]
}

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

/** The columns of each system table, in DuckDB's types. */
const systemColumns = {
  runs: 'run VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, status VARCHAR, pipelines VARCHAR[], rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT, rows_dropped BIGINT, rows_loaded BIGINT, duration_ms BIGINT',
  versions:
    '"table" VARCHAR, version BIGINT, committed_at TIMESTAMPTZ, operation VARCHAR, run VARCHAR, rows BIGINT, bytes BIGINT, files BIGINT, rows_read BIGINT, rows_quarantined BIGINT, definition VARCHAR',
  checks:
    '"table" VARCHAR, version BIGINT, "check" VARCHAR, kind VARCHAR, columns VARCHAR[], severity VARCHAR, status VARCHAR, failing BIGINT, total BIGINT, detail VARCHAR',
  files:
    '"table" VARCHAR, version BIGINT, file VARCHAR, sha256 VARCHAR, bytes BIGINT, file_date DATE, rows_read BIGINT, rows_accepted BIGINT, rows_quarantined BIGINT',
  inputs: '"table" VARCHAR, version BIGINT, input VARCHAR, input_version BIGINT',
} as const

async function attachSystem(
  context: ProjectContext,
  session: Session,
  { runs, versions }: SystemTables,
): Promise<void> {
  await session.run('CREATE SCHEMA IF NOT EXISTS sluice')
  const rows: { readonly [table in keyof typeof systemColumns]: readonly Record<string, unknown>[] } = {
    runs: runs.map((run) => ({
      run: run.id,
      started_at: run.startedAt,
      finished_at: run.finishedAt ?? null,
      status: run.status,
      pipelines: run.pipelines,
      rows_read: run.summary?.rows.read ?? null,
      rows_accepted: run.summary?.rows.accepted ?? null,
      rows_quarantined: run.summary?.rows.quarantined ?? null,
      rows_dropped: run.summary?.rows.dropped ?? null,
      rows_loaded: run.summary?.rows.loaded ?? null,
      duration_ms: run.summary?.durationMs ?? null,
    })),
    versions: versions.map((record) => ({
      table: record.table,
      version: record.version,
      committed_at: record.committedAt,
      operation: record.operation,
      run: record.run,
      rows: record.rows,
      bytes: record.bytes,
      files: record.files.length,
      rows_read: record.accounting.read,
      rows_quarantined: record.accounting.quarantined,
      definition: record.definition,
    })),
    checks: versions.flatMap((record) =>
      record.checks.map((check) => ({ ...check, table: record.table, version: record.version, check: check.name })),
    ),
    files: versions.flatMap((record) =>
      record.inputs.flatMap((input) =>
        input.kind === 'file'
          ? [
              {
                table: record.table,
                version: record.version,
                file: input.path,
                sha256: input.sha256,
                bytes: input.bytes,
                file_date: input.fileDate ?? null,
                rows_read: input.accounting.read,
                rows_accepted: input.accounting.accepted,
                rows_quarantined: input.accounting.quarantined,
              },
            ]
          : [],
      ),
    ),
    inputs: versions.flatMap((record) =>
      record.inputs.flatMap((input) =>
        input.kind === 'table'
          ? [{ table: record.table, version: record.version, input: input.table, input_version: input.version }]
          : [],
      ),
    ),
  }
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
  const quarantined = versions.flatMap((record) => record.quarantine.map((file) => ({ record, file })))
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
