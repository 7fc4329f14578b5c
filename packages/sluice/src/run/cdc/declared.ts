/** Columns that tables of changes declare, compared with what the server publishes: one that it never sends would be NULL for ever. */
import type pg from 'pg'
import { publishedColumns } from '../../changes/published.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { CommitRecord } from '../../lake/record.ts'
import { relationOf } from '../../lake/relation.ts'
import type { Captured } from '../../sources/cdc/preflight.ts'
import type { ProjectContext } from '../context.ts'
import type { CdcFinding } from './api.ts'

interface Declared {
  readonly model: string
  readonly table: string
  readonly columns: readonly string[]
}

/**
 * Declared columns that are not published now and never were, and why.
 *
 * @example await unpublishedColumns(context, 'raw.shop', client, captured, record)
 * @param record the log's current version; undefined before the first copy
 */
export async function unpublishedColumns(
  context: Pick<ProjectContext, 'project' | 'engine'>,
  log: string,
  client: pg.Client,
  { tables }: Pick<Captured, 'tables'>,
  record: CommitRecord | undefined,
): Promise<readonly CdcFinding[]> {
  const found: CdcFinding[] = []
  for (const { model, table, columns } of declaredOf(context, log)) {
    const captured = tables.find(({ relation }) => relation.table === table)
    if (captured === undefined) continue
    const published = new Set(captured.relation.columns.map(({ name }) => name))
    let missing = columns.filter((column) => !published.has(column))
    if (missing.length > 0 && record !== undefined) {
      const earlier = await earlierColumns(context, record, table)
      missing = missing.filter((column) => !earlier.has(column))
    }
    if (missing.length === 0) continue
    const why = await reasons(client, captured.relation.id, missing, published)
    found.push({
      ...{ name: table, status: 'fail', detail: `${model} declares ${why.join('; ')}` },
      fix: 'Correct the columns of the definition (`from` names the column of the server), or the column list of the publication.',
    })
  }
  return found
}

function declaredOf({ project }: Pick<ProjectContext, 'project'>, log: string): readonly Declared[] {
  return projectIndex(project).models.flatMap(({ table: name, model }): Declared[] => {
    if (model.kind !== 'changes' || model.from !== log || model.table === undefined) return []
    const columns = Object.entries(model.columns).map(([column, { from = column }]) => from)
    return [{ model: name, table: model.table, columns }]
  })
}

async function earlierColumns(
  { engine }: Pick<ProjectContext, 'engine'>,
  record: CommitRecord,
  table: string,
): Promise<ReadonlySet<string>> {
  await using session = await engine.open({})
  const log = `SELECT * FROM ${await session.from(relationOf(record))}`
  return (await publishedColumns(session, log, table)) ?? new Set()
}

async function reasons(
  client: pg.Client,
  oid: number,
  missing: readonly string[],
  published: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; generated: string }>(
    `SELECT attname AS name, attgenerated <> '' AS generated FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`,
    [oid],
  )
  return missing.map((column) => {
    const there = rows.find(({ name }) => name === column)
    if (there?.generated === 't') return `"${column}", which is generated and not published`
    if (there !== undefined) return `"${column}", which is outside of the publication's column list`
    const meant = suggest(column, published)
    return `"${column}", which the server's table does not have${meant === undefined ? '' : ` (was "${meant}" meant?)`}`
  })
}
